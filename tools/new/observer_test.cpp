#include <gtest/gtest.h>

#include "calibrate/observer.hpp"

namespace bitwright {
namespace {

// The laws of all observers are tested over the catalogue; here stands what only this one promises.
TEST(@Name@, ChoosesItsRange) {
  const Observer& observer = observer_named("@name@");
  Statistics seen(observer.needs);
  const float values[] = {-1, 0, 2};
  seen.observe(values);
  Scheme scheme{&format_named("int8")};
  const Range range = observer.range(seen, scheme, {});
  EXPECT_FLOAT_EQ(range.min[0], -0.9f);
  EXPECT_FLOAT_EQ(range.max[0], 1.8f);
}

}  // namespace
}  // namespace bitwright
