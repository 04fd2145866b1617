#include <gtest/gtest.h>

#include "quant/format.hpp"

namespace bitwright {
namespace {

// What holds for every format (idempotent, monotone, error at most half a step) is tested over the whole catalogue; here
// stand the values that the specification of this one prints.
TEST(@Name@, CodesOfItsSpecification) {
  const Format& format = format_named("@name@");
  EXPECT_EQ(format.encode(0.5f), 0);
  EXPECT_EQ(format.encode(1.5f), 2);
  EXPECT_EQ(format.encode(1e9f), format.code_max);
  EXPECT_EQ(format.decode(format.code_min), static_cast<float>(format.code_min));
}

}  // namespace
}  // namespace bitwright
