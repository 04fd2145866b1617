#include <gtest/gtest.h>

#include "ops/op.hpp"

namespace bitwright {
namespace {

Node node(std::string op, size_t inputs) {
  Node made;
  made.op = std::move(op);
  made.inputs.assign(inputs, ValueId{1});
  made.outputs = {ValueId{2}};
  return made;
}

TEST(Arithmetic, BroadcastsBothOperands) {
  const float a[] = {1, 2, 3}, b[] = {10, 20};
  const Tensor inputs[] = {Tensor::of<float>({3}, a), Tensor::of<float>({2, 1}, b)};
  const auto out = evaluate(node("Add", 2), inputs);
  EXPECT_EQ(out[0].shape(), (Shape{2, 3}));
  const std::vector<float> expected = {11, 12, 13, 21, 22, 23};
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out[0].values<float>().begin()));
}

TEST(Arithmetic, ShapesThatDoNotFitNameTheNode) {
  Node bad = node("Add", 2);
  bad.name = "sum";
  const Tensor inputs[] = {Tensor(DType::f32, {3}), Tensor(DType::f32, {2})};
  std::vector<Tensor> out;
  try {
    infer_outputs(bad, inputs, out);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "node 'sum' (Add): shapes [3] and [2] do not broadcast");
  }
}

}  // namespace
}  // namespace bitwright
