#include <gtest/gtest.h>

#include "ops/op.hpp"

namespace bitwright {
namespace {

TEST(@Name@, IsComputedElementByElement) {
  Node node;
  node.op = "@Name@";
  node.inputs = {ValueId{1}};
  node.outputs = {ValueId{2}};
  const float x[] = {-1, 0, 2.5f};
  const Tensor inputs[] = {Tensor::of<float>({3}, x)};
  const auto out = evaluate(node, inputs);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].shape(), (Shape{3}));
  EXPECT_TRUE(std::equal(std::begin(x), std::end(x), out[0].values<float>().begin()));
}

}  // namespace
}  // namespace bitwright
