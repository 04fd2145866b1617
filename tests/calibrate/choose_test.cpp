// Which granularity weights get.
#include <gtest/gtest.h>

#include "calibrate/choose.hpp"

namespace bitwright {
namespace {

Layout::Kind granularity(Shape shape, int axis) {
  Choice choice;
  choice.weight.granularity = Layout::channel;
  return weight_wish(choice, Tensor(DType::f32, std::move(shape)), axis, 0).scheme.granularity;
}

TEST(WeightWish, StackedMatricesShareOneScale) {
  EXPECT_EQ(granularity({8, 4}, 1), Layout::channel);           // MatMul
  EXPECT_EQ(granularity({2, 8, 4}, 2), Layout::tensor);         // MatMul of a stack
  EXPECT_EQ(granularity({2, 8, 4}, -1), Layout::tensor);
  EXPECT_EQ(granularity({16, 8, 3, 3}, 0), Layout::channel);    // Conv
  EXPECT_EQ(granularity({8, 16, 3}, 1), Layout::channel);       // ConvTranspose over one dimension
  EXPECT_EQ(granularity({8}, 0), Layout::tensor);
}

}  // namespace
}  // namespace bitwright
