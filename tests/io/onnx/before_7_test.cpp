// Models of opsets 1 to 6: what changed its meaning with opset 7 is brought into the new form or refused by name.
#include <gtest/gtest.h>

#include "model_bytes.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

using namespace model_bytes;

Tensor counted(Shape shape, float first) {
  Tensor t(DType::f32, std::move(shape));
  for (float& v : t.values<float>()) v = first++;
  return t;
}

TEST(Before7, AnAxisSaysWhereTheSecondTensorLies) {
  const Tensor x = counted({2, 3, 3}, 0), b = counted({3}, 100);
  for (const int64_t axis : {1, 2}) {
    const std::string bytes = model(6, node("Add", {"x", "b"}, int_attribute("broadcast", 1) + int_attribute("axis", axis)), x.shape(), tensor("b", b));
    const Model m = read(bytes);
    ASSERT_EQ(m.info.notes.size(), 1u);
    EXPECT_EQ(m.info.notes[0], "opset 6 is older than 7: operators are brought into their newer forms");
    const std::vector<Tensor> y = interpret(m.graph, {{x}});
    for (int64_t i = 0; i < x.elements(); ++i) {
      const auto at = static_cast<size_t>(axis == 1 ? i / 3 % 3 : i % 3);
      EXPECT_EQ(y[0].values<float>()[static_cast<size_t>(i)], x.values<float>()[static_cast<size_t>(i)] + b.values<float>()[at]);
    }
  }
}

TEST(Before7, AnAxisBehindOtherNodesIsCountedFromTheirRank) {
  const Tensor x = counted({2, 3, 3}, 0), b = counted({3}, 100);
  const std::string relu = field(1, field(1, "x") + field(2, "r") + field(4, "Relu"));
  const std::string add = node("Mul", {"r", "b"}, int_attribute("broadcast", 1) + int_attribute("axis", 1));
  const std::string bytes = model(6, relu + add, x.shape(), tensor("b", b));
  const Model m = read(bytes);
  EXPECT_EQ(interpret(m.graph, {{x}})[0].values<float>()[4], 4 * 101.0f);
}

TEST(Before7, SlopesArePerChannel) {
  const Tensor x = counted({1, 3, 3}, -9), slope = counted({3}, 1);
  const std::string bytes = model(6, node("PRelu", {"x", "s"}, ""), x.shape(), tensor("s", slope));
  const Model m = read(bytes);
  const std::vector<Tensor> y = interpret(m.graph, {{x}});
  for (int64_t i = 0; i < 9; ++i)
    EXPECT_EQ(value_as_double(y[0], i), value_as_double(x, i) * static_cast<double>(1 + i / 3));
}

TEST(Before7, TypesHaveNamesAndConcatAnAxis) {
  const std::string cast = model(5, node("Cast", {"x"}, text_attribute("to", "INT32")), {2}, "");
  EXPECT_EQ(interpret(read(cast).graph, {{counted({2}, 1.5f)}})[0].dtype(), DType::i32);
  const std::string concat = model(1, node("Concat", {"x", "x"}, ""), {2, 3}, "");
  EXPECT_EQ(interpret(read(concat).graph, {{counted({2, 3}, 0)}})[0].shape(), (Shape{2, 6}));
}

TEST(Before7, WhatCannotBeSaidIsRefused) {
  EXPECT_EQ(refusal(model(6, node("BatchNormalization", {"x", "b", "b", "b", "b"}, ""), {1, 2}, tensor("b", counted({2}, 1)))),
            "old.onnx: node 'n' (BatchNormalization): it is in training mode (is_test is not 1) (opset 6; opsets from 7 on are read in full)");
  EXPECT_EQ(refusal(model(5, node("Tile", {"x", "b", "b"}, ""), {2}, tensor("b", counted({1}, 1)))),
            "old.onnx: node 'n' (Tile): it repeats along one axis, a form that is not supported (opset 5; opsets from 7 on are read in full)");
  EXPECT_EQ(refusal(model(6, node("Add", {"x", "b"}, int_attribute("broadcast", 1) + int_attribute("axis", 2)), {2, 2}, tensor("b", counted({2}, 1)))),
            "old.onnx: node 'n' (Add): its attribute 'axis' is 2, which does not fit its inputs (opset 6; opsets from 7 on are read in full)");
}

}  // namespace
}  // namespace bitwright
