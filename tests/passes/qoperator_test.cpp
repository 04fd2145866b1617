// Operators on codes, through a file: fold(materialise(M, qoperator)) = M, one network per row of the table; what has no
// form on codes keeps its Q and DQ.
#include <gtest/gtest.h>

#include <filesystem>

#include "graph/text.hpp"
#include "io/onnx/onnx.hpp"
#include "ops/op.hpp"
#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

Model through_a_file(const Model& written) {
  const std::string file = testing::TempDir() + "bitwright_qoperator.onnx";
  write_onnx(written, file);
  return read_onnx(file);
}

std::vector<std::string> operators(const Model& m) {
  std::vector<std::string> names;
  for (const Node& node : m.graph.nodes) names.push_back(node.op);
  return names;
}
using Names = std::vector<std::string>;

/// The operators of the file that `text` is written as; reading it gives the same model as writing and reading Q and DQ.
Names written_as(const std::string& text) {
  const Model m = parse_model(text);
  const Model plain = fold(through_a_file(materialise(m)));
  const Model written = materialise(m, {.style = QuantizedStyle::qoperator});
  EXPECT_TRUE(written.quantization.empty());
  const Model again = fold(through_a_file(written));
  EXPECT_EQ(print(again), print(plain)) << print(written);
  EXPECT_EQ(again.info.metadata, plain.info.metadata);
  return operators(written);
}

std::string net(const std::string& body, const std::string& entries) {
  return "graph \"g\" {\n  input x: f32[1,2,4,4]\n  input v: f32[1,2,4,4]\n" + body + "  output y\n}\n" +
         "at input 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}\n"
         "at input 1: static {uint8 0 255 scale f32[]{0.2} zero u8[]{9}}\n" + entries;
}
const std::string kOut = "static {uint8 0 255 scale f32[]{0.05} zero u8[]{3}}\n";
const std::string kPositive = "static {uint8 0 255 scale f32[]{0.05} zero u8[]{0}}\n";

TEST(QOperator, ConvolutionPerChannelWithBias) {
  const Names names = written_as(net(R"(  const w: f32[2,2,1,1] = {1, 2, -3, 4}
  const b: f32[2] = {0.5, -0.5}
  y: f32[1,2,4,4] = Conv(x, w, b) group=1 pads=i[0, 0, 0, 0] @"conv"
)", "at 0 output 0: " + kOut + R"(at 0 input 1: static {int8 -127 127 channel 0 scale f32[2]{1, 0.5}} codes i8[2,2,1,1]{1, 2, -3, 4}
at 0 input 2: derived {int32 -2147483648 2147483647 channel 0 scale f32[2]{0.1, 0.05}} codes i32[2]{5, -10}
)"));
  EXPECT_EQ(names, (Names{"QuantizeLinear", "QuantizeLinear", "QLinearConv", "DequantizeLinear"}));
}

TEST(QOperator, AClampThatQuantizationMakesSuperfluousIsFoundAgain) {
  const std::string weights = "at 0 input 1: static {int8 -128 127 scale f32[]{1}} codes i8[2,2,1,1]{1, 2, -3, 4}\n";
  const std::string relu = net(R"(  const w: f32[2,2,1,1] = {1, 2, -3, 4}
  c: f32[1,2,4,4] = Conv(x, w) group=1 @"conv"
  y: f32[1,2,4,4] = Relu(c) @"relu"
)", weights + "at 1 output 0: " + kPositive);
  EXPECT_EQ(written_as(relu), (Names{"QuantizeLinear", "QuantizeLinear", "QLinearConv", "DequantizeLinear"}));
  const std::string clip = net(R"(  const w: f32[2,2,1,1] = {1, 2, -3, 4}
  const most: f32[] = {13}
  c: f32[1,2,4,4] = Conv(x, w) group=1 @"conv"
  y: f32[1,2,4,4] = Clip(c, _, most) @"clip"
)", weights + "at 1 output 0: " + kPositive);
  const Names names = written_as(clip);
  EXPECT_EQ(std::count(names.begin(), names.end(), "QLinearConv"), 1);
  EXPECT_EQ(std::count(names.begin(), names.end(), "Clip"), 0);
}

/// All nodes called the same: what tells graphs apart that differ in the names of nodes only.
std::string print_renamed(Model m, const std::string& name) {
  for (Node& node : m.graph.nodes) node.name = name;
  return print(m);
}

TEST(QOperator, ClampsOfNodesWithoutNameOrWithOneNameAreFoundAgain) {
  const std::string codes = " input 1: static {int8 -128 127 scale f32[]{1}} codes i8[2,2,1,1]{1, 2, -3, 4}\n";
  for (const std::string name : {"", " @\"n\""}) {
    const std::string end = name + "\n", conv = ") group=1" + end, type = ": f32[1,2,4,4] = ";
    const Model m = parse_model(net("  const w: f32[2,2,1,1] = {1, 2, -3, 4}\n  const u: f32[2,2,1,1] = {1, 2, -3, 4}\n  c" + type +
                                        "Conv(x, w" + conv + "  r" + type + "Relu(c)" + end + "  d" + type + "Conv(r, u" + conv +
                                        "  y" + type + "Relu(d)" + end,
                                    "at 0" + codes + "at 1 output 0: " + kPositive + "at 2" + codes + "at 3 output 0: " + kPositive));
    const Model again = fold(through_a_file(materialise(m, {.style = QuantizedStyle::qoperator})));
    std::set<std::string> names;
    for (const Node& node : again.graph.nodes) EXPECT_TRUE(node.name.empty() || names.insert(node.name).second) << node.name;
    EXPECT_EQ(print_renamed(again, "n"), print_renamed(fold(through_a_file(materialise(m))), "n"));
  }
}

TEST(QOperator, AClampInsideTheRangeKeepsItsNodes) {
  const Names names = written_as(net(R"(  const w: f32[2,2,1,1] = {1, 2, -3, 4}
  const most: f32[] = {6}
  c: f32[1,2,4,4] = Conv(x, w) group=1 @"conv"
  y: f32[1,2,4,4] = Clip(c, _, most) @"clip"
)", "at 0 input 1: static {int8 -128 127 scale f32[]{1}} codes i8[2,2,1,1]{1, 2, -3, 4}\nat 1 output 0: " + kPositive));
  EXPECT_EQ(std::count(names.begin(), names.end(), "Conv"), 1);
}

TEST(QOperator, EveryOtherRow) {
  const struct {
    const char *op, *call;
  } kRows[] = {{"QLinearAdd", "Add(x, v)"},
               {"QLinearMul", "Mul(x, v)"},
               {"QLinearConcat", "Concat(x, v) axis=1"},
               {"QLinearGlobalAveragePool", "GlobalAveragePool(x)"},
               {"QLinearAveragePool", "AveragePool(x) kernel_shape=i[2, 2]"},
               {"QLinearLeakyRelu", "LeakyRelu(x) alpha=0.1"},
               {"QLinearSigmoid", "Sigmoid(x)"},
               {"QLinearSoftmax", "Softmax(x) axis=-1"},
               {"QLinearMatMul", "MatMul(x, v)"}};
  for (const auto& row : kRows) {
    const Names names = written_as(net(std::string("  y: f32[?,?,?,?] = ") + row.call + " @\"n\"\n", "at 0 output 0: " + kOut));
    EXPECT_EQ(std::count(names.begin(), names.end(), row.op), 1) << row.op;
  }
}

TEST(QOperator, GemmWithFloatResult) {
  const Names names = written_as(R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,2] = {1, 2, -3, 4}
  const b: f32[2] = {0.5, -0.5}
  y: f32[2,2] = Gemm(x, w, b) transB=1 @"fc"
  output y
}
at input 0: static {int8 -128 127 scale f32[]{0.1} zero i8[]{-7}}
at 0 input 1: static {int8 -128 127 channel 0 scale f32[2]{1, 0.5}} codes i8[2,2]{1, 2, -3, 4}
at 0 input 2: derived {int32 -2147483648 2147483647 channel 0 scale f32[2]{0.1, 0.05}} codes i32[2]{5, -10}
)");
  EXPECT_EQ(names, (Names{"QuantizeLinear", "QGemm"}));
}

TEST(QOperator, MovementOnCodes) {
  const Names names = written_as(net(R"(  m: f32[1,2,2,2] = MaxPool(x) kernel_shape=i[2, 2] strides=i[2, 2] @"pool"
  y: f32[1,8] = Flatten(m) axis=1 @"flat"
)", "at 0 output 0: static tied 4 {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}\n"
    "at 1 output 0: static tied 4 {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}\n"));
  EXPECT_EQ(names, (Names{"QuantizeLinear", "MaxPool", "Flatten", "QuantizeLinear", "DequantizeLinear"}));
}

// Their Clip stands between Q and the movement, where it would not be found again.
TEST(QOperator, NarrowCodesAreMovedBetweenTheirSteps) {
  const std::string narrow = "static tied 4 {uint8 0 127 scale f32[]{0.1} zero u8[]{7}}\n";
  const Names names = written_as("graph \"g\" {\n  input x: f32[1,2,4,4]\n  t: f32[1,4,4,2] = Transpose(x) perm=i[0, 2, 3, 1] @\"t\"\n"
                                 "  y: f32[1,32] = Flatten(t) axis=1 @\"f\"\n  output y\n}\nat input 0: " + narrow + "at 0 output 0: " + narrow);
  EXPECT_EQ(names, (Names{"QuantizeLinear", "Clip", "DequantizeLinear", "Transpose", "QuantizeLinear", "Clip", "DequantizeLinear", "Flatten"}));
}

TEST(QOperator, WhatRunsOnNoCodesKeepsItsNodes) {
  // 16-bit activations; signed activations with unsigned weights; a float bias; two types in one operator
  const std::string w = "  const w: f32[2,2,1,1] = {1, 2, -3, 4}\n", conv = "  y: f32[1,2,4,4] = Conv(x, w) group=1 @\"n\"\n";
  const std::string codes = "at 0 input 1: static {uint8 0 255 scale f32[]{1} zero u8[]{3}} codes u8[2,2,1,1]{1, 2, 3, 4}\n";
  for (const std::string& text :
       {"graph \"g\" {\n  input x: f32[1,2,4,4]\n" + w + conv + "  output y\n}\nat input 0: static {uint16 0 65535 scale f32[]{1} zero u16[]{3}}\n" + codes,
        "graph \"g\" {\n  input x: f32[1,2,4,4]\n" + w + conv + "  output y\n}\nat input 0: static {int8 -128 127 scale f32[]{1} zero i8[]{3}}\nat 0 output 0: static {int8 -128 127 scale f32[]{1} zero i8[]{3}}\n" + codes,
        net(w + "  const b: f32[2] = {1, 2}\n  y: f32[1,2,4,4] = Conv(x, w, b) group=1 @\"n\"\n", "at 0 output 0: " + kOut + codes),
        net("  y: f32[1,2,4,4] = Add(x, v) @\"n\"\n", "at 0 output 0: static {int8 -128 127 scale f32[]{1} zero i8[]{3}}\n")})
    for (const std::string& op : written_as(text)) EXPECT_EQ(op.find("QLinear"), std::string::npos) << text;
}

TEST(Lift, QGemmOfAnotherTool) {
  // alpha belongs to the bias; the result without a scale is float
  const Model m = fold(parse_model(R"(graph "g" {
  input x: u8[1,2]
  const s: f32[] = {0.5}
  const z: u8[] = {1}
  const w: i8[2,2] = {1, 2, 3, 4}
  const sw: f32[2] = {0.25, 0.5}
  const zw: i8[2] = {0, 0}
  const b: i32[2] = {8, 16}
  y: f32[1,2] = com.microsoft.QGemm(x, s, z, w, sw, zw, b) alpha=2.0 transB=1 @"fc"
  output y
})"));
  EXPECT_EQ(print(m), R"(graph "g" {
  input x: u8[1,2]
  const s: f32[] = {0.5}
  const z: u8[] = {1}
  const w_real: f32[2,2] = {0.25, 0.5, 1.5, 2}
  const b_real: f32[2] = {2, 8}
  x_real: f32[1,2] = DequantizeLinear(x, s, z) @"x_real_DequantizeLinear"
  y: f32[1,2] = Gemm(x_real, w_real, b_real) alpha=2.0 transB=1 @"fc"
  output y
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{1}}
at 1 input 1: static {int8 -128 127 channel 0 scale f32[2]{0.25, 0.5}} codes i8[2,2]{1, 2, 3, 4}
at 1 input 2: static {int32 -2147483648 2147483647 channel 0 scale f32[2]{0.25, 0.5}} codes i32[2]{8, 16}
)");
}

TEST(Lift, ComputesWhatTheOperatorDoes) {
  const Model m = fold(parse_model(R"(graph "g" {
  input a: u8[3]
  const one: f32[] = {1}
  const two: f32[] = {2}
  const z: u8[] = {10}
  y: u8[3] = com.microsoft.QLinearAdd(a, one, z, a, one, z, two, z)
  output y
})"));
  const std::vector<Tensor> inputs = {Tensor::of<uint8_t>({3}, std::vector<uint8_t>{0, 10, 200})};
  EXPECT_TRUE(identical(interpret(materialise(m).graph, inputs)[0], inputs[0]));
}

TEST(Lift, SoftmaxOfAnOldOpset) {
  // before opset 13 everything from the axis on was one row
  const Model m = fold(parse_model(R"(graph "g" {
  input a: u8[2,2,2]
  const s: f32[] = {0.1}
  const t: f32[] = {0.00390625}
  const z: u8[] = {0}
  y: u8[2,2,2] = com.microsoft.QLinearSoftmax(a, s, z, t, z) axis=1 opset=11 @"soft"
  output y
})"));
  const std::vector<Tensor> inputs = {Tensor(DType::u8, {2, 2, 2})};
  const Tensor y = interpret(materialise(m).graph, inputs)[0];
  for (const uint8_t code : y.values<uint8_t>()) EXPECT_EQ(code, 64) << "a quarter";
}

TEST(Lift, EmbeddingRowsAreGatheredFromCodes) {
  const std::string text = R"(graph "g" {
  input i: i64[2]
  const e: f32[3,2] = {1, 2, 3, 4, 5, 6}
  y: f32[2,2] = Gather(e, i) @"rows"
  output y
}
at 0 input 0: static {int8 -128 127 scale f32[]{1}} codes i8[3,2]{1, 2, 3, 4, 5, 6}
)";
  const Model m = parse_model(text);
  const Model written = materialise(m);
  EXPECT_EQ(operators(written), (Names{"Gather", "DequantizeLinear"}));
  EXPECT_EQ(print(fold(written)), print(m));
}

}  // namespace
}  // namespace bitwright
