// fold and materialise are inverses, and both run to equal bits.
#include "passes/fold.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "graph/text.hpp"
#include "io/onnx/onnx.hpp"
#include "ops/op.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

std::vector<Tensor> some_inputs(const Graph& g, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> inputs;
  for (const ValueId id : g.inputs) {
    Shape shape = g.value(id).shape;
    for (int64_t& extent : shape) extent = extent < 0 ? 2 : extent;
    Tensor t(g.value(id).dtype, shape);
    if (t.dtype() == DType::f32)
      for (float& v : t.values<float>()) v = std::uniform_real_distribution<float>(-2, 2)(random);
    if (t.dtype() == DType::u8)
      for (uint8_t& v : t.values<uint8_t>()) v = static_cast<uint8_t>(random());
    inputs.push_back(t);
  }
  return inputs;
}

Model through_a_file(const Model& written) {
  const std::string file = testing::TempDir() + "bitwright_fold.onnx";
  write_onnx(written, file);
  return read_onnx(file);
}

void expect_equal_runs(const Model& a, const Model& b) {
  const auto inputs = some_inputs(a.graph, 3);
  const auto x = interpret(a.graph, inputs), y = interpret(b.graph, inputs);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(identical(x[i], y[i])) << "output " << i;
}

/// folded is what `text` folds to, and what that is written as folds to it again.
void expect_fold(const std::string& text, const std::string& folded) {
  const Model nodes = parse_model(text);
  const Model m = fold(nodes);
  EXPECT_EQ(print(m), folded);
  const Model written = materialise(m);
  EXPECT_TRUE(written.quantization.empty());
  EXPECT_EQ(print(fold(written)), folded);
  expect_equal_runs(nodes, written);
}

/// materialise(m) folds to m.
void expect_inverse(const std::string& text) {
  const Model m = parse_model(text);
  const Model written = materialise(m);
  EXPECT_EQ(print(fold(written)), print(m)) << print(written);
  EXPECT_EQ(print(parse_model(print(m))), print(m));
}

TEST(Fold, EqualPairsOnEveryReaderBelongToTheProducer) {
  expect_fold(R"(graph "g" {
  input x: f32[2,4]
  const s: f32[] = {0.1}
  const z: u8[] = {7}
  a: f32[2,4] = Relu(x)
  q: u8[2,4] = QuantizeLinear(a, s, z)
  d: f32[2,4] = DequantizeLinear(q, s, z)
  y: f32[2,4] = Relu(d)
  w: f32[2,4] = Add(d, d)
  output y
  output w
})",
              R"(graph "g" {
  input x: f32[2,4]
  a: f32[2,4] = Relu(x)
  y: f32[2,4] = Relu(a)
  w: f32[2,4] = Add(a, a)
  output y
  output w
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
)");
}

TEST(Fold, APairForOneReaderIsItsInputs) {
  expect_fold(R"(graph "g" {
  input x: f32[2,4]
  const s: f32[] = {0.1}
  const z: i8[] = {-7}
  a: f32[2,4] = Relu(x)
  q: i8[2,4] = QuantizeLinear(a, s, z)
  d: f32[2,4] = DequantizeLinear(q, s, z)
  y: f32[2,4] = Add(a, d)
  output y
})",
              R"(graph "g" {
  input x: f32[2,4]
  a: f32[2,4] = Relu(x)
  y: f32[2,4] = Add(a, a)
  output y
}
at 1 input 1: static {int8 -128 127 scale f32[]{0.1} zero i8[]{-7}}
)");
}

TEST(Fold, PairsInARowAreOneChain) {
  expect_fold(R"(graph "g" {
  input x: f32[2,4]
  const s: f32[] = {0.1}
  const t: f32[] = {0.03}
  const z: u8[] = {7}
  q: u8[2,4] = QuantizeLinear(x, s, z)
  d: f32[2,4] = DequantizeLinear(q, s, z)
  p: u8[2,4] = QuantizeLinear(d, t, z)
  e: f32[2,4] = DequantizeLinear(p, t, z)
  y: f32[2,4] = Add(d, e)
  output y
})",
              R"(graph "g" {
  input x: f32[2,4]
  y: f32[2,4] = Add(x, x)
  output y
}
at input 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
at 0 input 1: static {uint8 0 255 scale f32[]{0.03} zero u8[]{7}}
)");
}

TEST(Fold, CodesOfConstantsAndDerivedBias) {
  expect_fold(R"(graph "g" {
  input x: f32[2,2]
  const sx: f32[] = {0.5}
  const z: u8[] = {128}
  const w: i8[2,2] = {1, 2, -3, 4}
  const sw: f32[2] = {0.25, 0.5}
  const b: i32[2] = {100, -3}
  const sb: f32[2] = {0.125, 0.25}
  q: u8[2,2] = QuantizeLinear(x, sx, z)
  d: f32[2,2] = DequantizeLinear(q, sx, z)
  e: f32[2,2] = DequantizeLinear(w, sw) axis=1
  f: f32[2] = DequantizeLinear(b, sb) axis=0
  y: f32[2,2] = Gemm(d, e, f)
  output y
})",
              R"(graph "g" {
  input x: f32[2,2]
  const e: f32[2,2] = {0.25, 1, -0.75, 2}
  const f: f32[2] = {12.5, -0.75}
  y: f32[2,2] = Gemm(x, e, f)
  output y
}
at input 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{128}}
at 0 input 1: static {int8 -128 127 channel 1 scale f32[2]{0.25, 0.5}} codes i8[2,2]{1, 2, -3, 4}
at 0 input 2: derived {int32 -2147483648 2147483647 channel 0 scale f32[2]{0.125, 0.25}} codes i32[2]{100, -3}
)");
}

TEST(Fold, CodesAtTheInterfaceKeepTheirNodes) {
  expect_fold(R"(graph "g" {
  input x: u8[2,4]
  const s: f32[] = {0.1}
  const t: f32[] = {0.2}
  const z: u8[] = {7}
  d: f32[2,4] = DequantizeLinear(x, s, z)
  a: f32[2,4] = Relu(d)
  y: u8[2,4] = QuantizeLinear(a, t, z)
  output y
})",
              R"(graph "g" {
  input x: u8[2,4]
  const s: f32[] = {0.1}
  const z: u8[] = {7}
  const t: f32[] = {0.2}
  d: f32[2,4] = DequantizeLinear(x, s, z)
  a: f32[2,4] = Relu(d)
  y: u8[2,4] = QuantizeLinear(a, t, z)
  output y
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
at 2 input 0: static {uint8 0 255 scale f32[]{0.2} zero u8[]{7}}
)");
}

TEST(Fold, AnOutputKeepsItsName) {
  expect_fold(R"(graph "g" {
  input x: f32[2]
  const s: f32[] = {0.1}
  const z: u8[] = {7}
  a: f32[2] = Relu(x)
  q: u8[2] = QuantizeLinear(a, s, z)
  y: f32[2] = DequantizeLinear(q, s, z)
  output y
})",
              R"(graph "g" {
  input x: f32[2]
  y: f32[2] = Relu(x)
  output y
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
)");
}

TEST(Fold, DataMovementOnCodes) {
  expect_fold(R"(graph "g" {
  input x: f32[2,4]
  const s: f32[] = {0.1}
  const z: u8[] = {7}
  q: u8[2,4] = QuantizeLinear(x, s, z)
  t: u8[4,2] = Flatten(q)
  d: f32[4,2] = DequantizeLinear(t, s, z)
  y: f32[4,2] = Relu(d)
  output y
})",
              R"(graph "g" {
  input x: f32[2,4]
  t_real: f32[4,2] = Flatten(x)
  y: f32[4,2] = Relu(t_real)
  output y
}
at input 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
at 0 output 0: static {uint8 0 255 scale f32[]{0.1} zero u8[]{7}}
)");
}

TEST(Fold, RunTimeQuantization) {
  const std::string text = R"(graph "g" {
  input x: f32[2,3]
  const w: i8[3,2] = {1, 2, -3, 4, 5, 6}
  const sw: f32[] = {0.25}
  q: u8[2,3], s: f32[], z: u8[] = DynamicQuantizeLinear(x)
  i: i32[2,2] = MatMulInteger(q, w, z)
  c: f32[2,2] = Cast(i) to=1
  m: f32[] = Mul(s, sw)
  y: f32[2,2] = Mul(c, m)
  output y
})";
  const Model m = fold(parse_model(text));
  if (find_op("", "Cast")) expect_equal_runs(parse_model(text), materialise(m));
  EXPECT_EQ(print(m), R"(graph "g" {
  input x: f32[2,3]
  const w_real: f32[3,2] = {0.25, 0.5, -0.75, 1, 1.25, 1.5}
  y: f32[2,2] = MatMul(x, w_real)
  output y
}
at 0 input 0: at_run {uint8 0 255}
at 0 input 1: static {int8 -128 127 scale f32[]{0.25}} codes i8[3,2]{1, 2, -3, 4, 5, 6}
)");
}

TEST(Fold, AWeightScaleThatRaisesTheRankOfTheProductIsNoGrid) {
  const struct {
    const char *x, *w, *op, *scale;
    bool folds;
  } kCases[] = {{"[1,2,3,3]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[2,1,1] = {0.5, 0.25}", true},
                {"[1,2,3,3]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[1,2,1,1] = {0.5, 0.25}", true},
                {"[1,2,3,3]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[1,1,2,1,1] = {0.5, 0.25}", false},
                {"[1,2,3,3]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[2,1,1,1,1] = {0.5, 0.25}", false},
                {"[1,2,3,3]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[1,1,1,1,1] = {0.5}", false},
                {"[1,2,2,2]", "[2,2,1,1] = {1, 2, -3, 4}", "ConvInteger", "[2] = {0.5, 0.25}", false},
                {"[3,2]", "[2,2] = {1, 2, -3, 4}", "MatMulInteger", "[1,2] = {0.5, 0.25}", true},
                {"[3,2]", "[2,2] = {1, 2, -3, 4}", "MatMulInteger", "[1,1,2] = {0.5, 0.25}", false},
                {"[2]", "[2,2] = {1, 2, -3, 4}", "MatMulInteger", "[1,2] = {0.5, 0.25}", false},
                {"[1,1,2]", "[2,2] = {1, 2, -3, 4}", "MatMulInteger", "[1,1,2] = {0.5, 0.25}", true},
                {"[2]", "[2] = {1, 2}", "MatMulInteger", "[2] = {0.5, 0.25}", false}};
  for (const auto& c : kCases) {
    const Model nodes = parse_model(str("graph \"g\" {\n input x: f32", c.x, "\n const w: i8", c.w, "\n const sw: f32", c.scale,
                                        "\n q, s, z = DynamicQuantizeLinear(x)\n i = ", c.op, "(q, w, z)\n c = Cast(i) to=1\n"
                                        " m = Mul(s, sw)\n y = Mul(c, m)\n output y\n}"));
    const Model m = fold(nodes);
    EXPECT_EQ(m.quantization.at.size(), c.folds ? 2u : 0u) << c.op << " " << c.x << c.scale;
    expect_equal_runs(nodes, materialise(m));
  }
}

TEST(Materialise, RunTimeConvolutionIsUndoneByFold) {
  expect_inverse(R"(graph "g" {
  input x: f32[1,2,3,3]
  const w: f32[2,2,1,1] = {1, 2, -3, 4}
  const b: f32[2] = {0.5, -0.5}
  y: f32[1,2,3,3] = Conv(x, w, b) group=1 @"conv"
  output y
}
at 0 input 0: at_run {uint8 0 255}
at 0 input 1: static {int8 -128 127 channel 0 scale f32[2]{1, 1}} codes i8[2,2,1,1]{1, 2, -3, 4}
)");
}

TEST(Materialise, RunTimeQuantizationPerRowIsUndoneByFold) {
  const std::string text = R"(graph "g" {
  input x: f32[3,4]
  const u: f32[4,2] = {1, 0, 2, 0, 1, 0, 2, 1}
  const w: f32[4,2] = {1, 2, -3, 4, 5, 6, 7, 4}
  const v: f32[4,2] = {0.5, 1, -1.5, 2, 2.5, 3, 3.5, 3.5}
  c = MatMul(x, u) @"float weights"
  a = MatMul(x, w) @"first"
  b = MatMul(x, v) @"second"
  y = Concat(a, b, c) axis=1
  output y
}
at 0 input 0: at_run per_row {uint8 0 255}
at 1 input 0: at_run per_row {uint8 0 255}
at 1 input 1: static {int8 -127 127 scale f32[]{1}} codes i8[4,2]{1, 2, -3, 4, 5, 6, 7, 4}
at 2 input 0: at_run per_row {uint8 0 255}
at 2 input 1: static {uint8 0 255 channel 1 scale f32[2]{0.5, 0.5} zero u8[2]{10, 20}} codes u8[4,2]{11, 22, 7, 24, 15, 26, 17, 27}
)";
  Model m = parse_model(text);
  const Model written = materialise(m);
  size_t codes = 0;
  for (const Node& node : written.graph.nodes) codes += node.is("ReduceMin");
  EXPECT_EQ(codes, 1u) << "rows that three products read are quantized once";
  EXPECT_EQ(print(fold(written)), print(m)) << print(written);
}

TEST(Fold, WhatNobodyReadIsNotErasedWithTheRows) {
  Model m = parse_model(R"(graph "g" {
  input x: f32[3,4]
  const w: f32[4,2] = {1, 2, -3, 4, 5, 6, 7, 4}
  y = MatMul(x, w) @"product"
  unread = Neg(x) @"a user's"
  dead = Relu(unread)
  output y
}
at 0 input 0: at_run per_row {uint8 0 255}
at 0 input 1: static {int8 -127 127 scale f32[]{1}} codes i8[4,2]{1, 2, -3, 4, 5, 6, 7, 4}
)");
  EXPECT_EQ(fold(materialise(m)).graph.nodes.size(), 3u);
}

TEST(Materialise, IsUndoneByFold) {
  expect_inverse(R"(graph "g" {
  input x: f32[2,3]
  const w: f32[3,2] = {1, 2, -3, 4, 5, 6}
  const v: f32[2,2] = {1, 2, -3, 4}
  a: f32[2,2] = MatMul(x, w)
  y: f32[2,2] = Gemm(a, v)
  output y
}
at input 0: static {int8 -127 127 scale f32[]{0.5} zero i8[]{0}}
at 0 output 0: static {uint5 0 31 scale f32[]{0.5} zero u8[]{3}} {uint8 0 255 scale f32[]{0.25} zero u8[]{3}}
at 0 input 1: static tied 3 {int4 -7 7 block 0 2 scale f32[2,2]{1, 1, 1, 1}} codes i8[3,2]{1, 2, -3, 4, 5, 6}
at 1 input 1: static {int8 -127 127 scale f32[]{1}} codes i8[2,2]{1, 2, -3, 4}
)");
}

std::vector<std::string> kept_by_fold(const std::string& text) {
  FoldReport report;
  fold(parse_model(text), &report);
  return report.kept;
}
std::string pair_with(const std::string& q, const std::string& d, const std::string& rest = "  y: f32[2] = Relu(d)\n  output y") {
  return R"(graph "g" {
  input x: f32[2]
  input r: f32[]
  const s: f32[] = {0.1}
  const t: f32[] = {0.2}
  const n: f32[] = {-0.2}
  q: u8[2] = )" + q + " @\"q\"\n  d: f32[2] = " + d + " @\"dq\"\n" + rest + "\n}";
}
using Lines = std::vector<std::string>;

TEST(Fold, WhatIsNotConstantOrNotEqualStays) {
  EXPECT_EQ(kept_by_fold(pair_with("QuantizeLinear(x, s)", "DequantizeLinear(q, t)")),
            Lines{"node 'dq' (DequantizeLinear): its scale or zero point differs from the quantizer's before it"});
  EXPECT_EQ(kept_by_fold(pair_with("QuantizeLinear(x, r)", "DequantizeLinear(q, r)")),
            Lines{"node 'dq' (DequantizeLinear): its scale or zero point is computed at run time"});
  EXPECT_EQ(kept_by_fold(pair_with("QuantizeLinear(x, n)", "DequantizeLinear(q, n)")),
            Lines{"node 'dq' (DequantizeLinear): its scale is not positive"});
  EXPECT_EQ(kept_by_fold(pair_with("QuantizeLinear(x, s)", "DequantizeLinear(q, s)", "  a: f32[2] = Relu(x)\n  output d\n  output a")),
            Lines{"node 'dq' (DequantizeLinear): its output is an output of the graph, other readers see other values"});
}

TEST(Materialise, FourBitActivationsLieInWholeBytes) {
  const std::string text = R"(graph "g" {
  input x: f32[2]
  y: f32[2] = Relu(x)
  output y
}
at input 0: static {uint4 0 15 scale f32[]{0.5} zero u8[]{3}}
at 0 output 0: static {int4 -8 7 scale f32[]{0.25} zero i8[]{-1}}
)";
  expect_inverse(text);
  const Model written = materialise(parse_model(text));
  for (const auto& [id, value] : written.graph.values()) EXPECT_NE(value.dtype, DType::u4);
}

// Rounding to a 16-bit float has no codes: a file says it with two Casts, which stay nodes when it is read.
TEST(Materialise, SixteenBitFloatsAreCasts) {
  for (const std::string format : {"fp16", "bf16"}) {
    const Model m = parse_model("graph \"g\" {\n  input x: f32[2]\n  y: f32[2] = Relu(x)\n  output y\n}\nat 0 output 0: static {" + format + " 0 65535}\n");
    const Model written = materialise(m);
    ASSERT_EQ(written.graph.nodes.size(), 3u);
    EXPECT_EQ(written.graph.nodes[1].attr_int("to", 0), static_cast<int64_t>(format == "fp16" ? DType::f16 : DType::bf16));
    EXPECT_EQ(written.graph.nodes[2].attr_int("to", 0), static_cast<int64_t>(DType::f32));
    const Tensor x = Tensor::of<float>({2}, std::vector<float>{-1, 1.0009f});
    const Grid& grid = m.quantization.at.begin()->second.chain[0];
    EXPECT_TRUE(identical(interpret(written.graph, {{x}})[0], fake_quantize(Tensor::of<float>({2}, std::vector<float>{0, 1.0009f}), grid)));
    EXPECT_TRUE(identical(interpret(through_a_file(written).graph, {{x}})[0], interpret(written.graph, {{x}})[0]));
  }
}

// ONNX Runtime has no Clip of 16-bit codes: the floats are clipped, with the same codes as result.
TEST(Materialise, NarrowSixteenBitCodesAreClippedAsFloats) {
  for (const std::string grid : {"int12 -2048 2047 scale f32[]{0.0007} zero i16[]{5}", "uint15 0 32767 scale f32[]{0.0001} zero u16[]{9999}",
                                 "int16 -32767 32767 scale f32[]{0.00003} zero i16[]{0}", "uint16 1 65535 scale f32[]{0.00003} zero u16[]{30000}"}) {
    const std::string text = "graph \"g\" {\n  input x: f32[20000]\n  r: f32[20000] = Clip(x)\n  y: f32[20000] = Neg(r)\n  output y\n}\n"
                             "at 0 output 0: static {" + grid + "}\nat 1 output 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{3}} {" + grid + "}\n";
    expect_inverse(text);
    const Model m = parse_model(text), written = materialise(m);
    for (const Node& node : written.graph.nodes)
      EXPECT_TRUE(!node.is("Clip") || written.graph.value(node.input(0)).dtype == DType::f32) << grid;
    const Tensor x = some_inputs(m.graph, 7)[0];
    const Grid& first = m.quantization.at.begin()->second.chain.back();
    const Tensor wanted = dequantize(quantize(x, first), first);
    Model alone = parse_model("graph \"g\" {\n  input x: f32[20000]\n  y: f32[20000] = Clip(x)\n  output y\n}\nat 0 output 0: static {" + grid + "}\n");
    EXPECT_TRUE(identical(interpret(materialise(alone).graph, {{x}})[0], wanted)) << grid;
  }
}

// Sums of one input keep ONNX Runtime from fusions that its kernels do not take (shields.hpp).
TEST(Materialise, WhatOnnxRuntimeWouldFuseWronglyIsShielded) {
  const std::string graph = R"(graph "g" {
  input x: f32[2,4]
  const w: f32[4,2] = {1, 2, -3, 4, 5, 6, 7, 8}
  a: f32[2,2] = MatMul(x, w)
  const s: i64[1] = {4}
  y: f32[4] = Reshape(a, s)
  output y
}
)";
  const auto sums = [](const std::string& text) {
    expect_inverse(text);
    std::string inputs;
    const Model written = materialise(parse_model(text));
    for (const Node& node : written.graph.nodes)
      if (node.is("Sum")) inputs += written.graph.value(node.input(0)).name + " ";
    return inputs;
  };
  const std::string x = "at input 0: static {int8 -128 127 scale f32[]{0.5} zero i8[]{0}}\n";
  const std::string a = "at 0 output 0: static {int8 -128 127 scale f32[]{0.5} zero i8[]{0}}\n";
  const std::string blocks = "at 0 input 1: static {int8 -127 127 block 0 2 scale f32[2,2]{1, 1, 1, 1}} codes i8[4,2]{1, 2, -3, 4, 5, 6, 7, 8}\n";
  const std::string plain = "at 0 input 1: static {int8 -127 127 scale f32[]{1}} codes i8[4,2]{1, 2, -3, 4, 5, 6, 7, 8}\n";
  EXPECT_EQ(sums(graph + x + blocks), "w ");
  EXPECT_EQ(sums(graph + blocks), "");  // its block-wise products of floats are fine
  EXPECT_EQ(sums(graph + x + plain), "");
  EXPECT_EQ(sums(graph + x + a + blocks), "w a_dequantized ");
  EXPECT_EQ(sums(graph + x + a + plain), "");
}

TEST(Materialise, ACubicResizeOfCodesIsNoted) {
  const auto notes = [](const std::string& grid_behind) {
    return materialise(parse_model("graph \"g\" {\n  input x: f32[1,1,4,4]\n  const s: f32[4] = {1, 1, 0.5, 0.5}\n"
                                   "  y: f32[1,1,2,2] = Resize(x, _, s) mode=\"cubic\" @\"r\"\n  output y\n}\n"
                                   "at input 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{3}}\n" + grid_behind)).info.notes;
  };
  EXPECT_EQ(notes("at 0 output 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{3}}\n"),
            (std::vector<std::string>{"node 'r' (Resize): ONNX Runtime 1.31 may refuse a cubic Resize of codes; exclude the node if the file is meant for it"}));
  EXPECT_TRUE(notes("").empty());
}

TEST(Materialise, SixteenBitScalesOfConstantsAreKept) {
  const std::string text = R"(graph "g" {
  input x: f16[2,3]
  const w: f16[3,2] = {0.5, 1, -1.5, 2, 2.5, 3}
  y: f16[2,2] = MatMul(x, w)
  output y
}
at 0 input 1: static {int8 -128 127 scale f16[]{0.5}} codes i8[3,2]{1, 2, -3, 4, 5, 6}
)";
  const Model m = parse_model(text), written = materialise(m);
  const Node& dq = written.graph.nodes[0];
  EXPECT_EQ(written.graph.value(dq.output()).dtype, DType::f16);
  EXPECT_EQ(print(fold(written)), print(m));
}

TEST(Fold, SixteenBitScalesOfActivationsStay) {
  // ONNX rounds x / scale to 16 bits there: another arithmetic than the table's
  EXPECT_EQ(kept_by_fold(R"(graph "g" {
  input x: f16[2]
  const s: f16[] = {0.5}
  q: u8[2] = QuantizeLinear(x, s) @"q"
  d: f16[2] = DequantizeLinear(q, s) @"dq"
  y: f16[2] = Relu(d)
  output y
})"), Lines{"node 'dq' (DequantizeLinear): its scale is f16: quotients and results rounded to that are no arithmetic of the table"});
}

TEST(Fold, NestedGraphsKeepTheirNodes) {
  const Model nodes = parse_model(R"(graph "g" {
  input x: f32[2]
  input c: bool[]
  y = If(c) then_branch=graph "then" {
    const s: f32[] = {0.5}
    const z: u8[] = {3}
    q: u8[2] = QuantizeLinear(x, s, z) @"q"
    a: u8[2] = com.microsoft.QLinearAdd(q, s, z, q, s, z, s, z) @"sum"
    d = DequantizeLinear(a, s, z) @"dq"
    output d
  } else_branch=graph "else" {
    n = Neg(x)
    output n
  } @"choice"
  output y
})");
  FoldReport report;
  const Model m = fold(nodes, &report);
  EXPECT_EQ(report.kept.size(), 4u);
  EXPECT_EQ(report.kept[0], "node 'q' (QuantizeLinear): stands inside of node 'choice' (If) and is computed as it is");
  const std::vector<Tensor> inputs = {Tensor::of<float>({2}, std::vector<float>{1.1f, -0.6f}), Tensor(DType::boolean, {})};
  std::vector<Tensor> yes = {inputs[0], Tensor(DType::boolean, {})};
  yes[1].values<bool>()[0] = true;
  const Tensor y = interpret(materialise(m).graph, yes)[0];
  EXPECT_EQ(y.values<float>()[0], 2.0f);
  EXPECT_EQ(y.values<float>()[1], -1.0f);
}

const std::string kNestedWeights = R"(graph "g" {
  input x: f32[2,2]
  input c: bool[]
  const outer: i8[2,2] = {1, 2, -3, 4}
  const s: f32[] = {0.5}
  y = If(c) then_branch=graph "then" {
    const w: i8[2,2] = {5, 6, 7, -8}
    const t: f32[2] = {0.25, 2}
    v = DequantizeLinear(w, t) axis=1 @"dq1"
    const z: u8[] = {3}
    q: u8[2,2] = QuantizeLinear(x, s, z) @"q"
    d = DequantizeLinear(q, s, z) @"dq"
    m = MatMul(d, v) @"inner"
    output m
  } else_branch=graph "else" {
    o = DequantizeLinear(outer, s) @"dq2"
    k = If(c) then_branch=graph "deeper" {
      p = DequantizeLinear(outer, s) @"dq3"
      a = Add(x, p) @"deep"
      output a
    } else_branch=graph "other" {
      b = Neg(x)
      output b
    } @"again"
    n = Sub(k, o) @"difference"
    output n
  } @"choice"
  output y
})";

TEST(Fold, CodesOfConstantsInNestedGraphsAreInTheTable) {
  const Model nodes = parse_model(kNestedWeights);
  FoldReport report;
  const Model m = fold(nodes, &report);
  EXPECT_EQ(report.kept, (Lines{"node 'q' (QuantizeLinear): stands inside of node 'choice' (If) and is computed as it is",
                                "node 'dq' (DequantizeLinear): stands inside of node 'choice' (If) and is computed as it is"}));
  const auto entries = [](const std::string& text) { return text.substr(text.find("\nat ") + 1); };
  const std::string text = print(m);  // the else branch comes first: attributes stand by name
  EXPECT_EQ(entries(text), R"(at 2 input 1: static {int8 -128 127 scale f32[]{0.5}} codes i8[2,2]{1, 2, -3, 4}
at 4 input 1: static {int8 -128 127 scale f32[]{0.5}} codes i8[2,2]{1, 2, -3, 4}
at 7 input 1: static {int8 -128 127 channel 1 scale f32[2]{0.25, 2}} codes i8[2,2]{5, 6, 7, -8}
)");
  EXPECT_EQ(print(parse_model(text)), text);
  const Model written = materialise(m);
  EXPECT_TRUE(written.quantization.empty());
  FoldReport again;
  EXPECT_EQ(entries(print(fold(through_a_file(written), &again))), entries(text));
  EXPECT_EQ(again.kept.size(), 2u);
  for (const bool condition : {true, false}) {
    std::vector<Tensor> inputs = {some_inputs(nodes.graph, 4)[0], Tensor(DType::boolean, {})};
    inputs[1].values<bool>()[0] = condition;
    const Tensor want = interpret(nodes.graph, inputs)[0];
    EXPECT_TRUE(identical(interpret(m.graph, inputs)[0], want)) << "the float view is what the codes stand for";
    EXPECT_TRUE(identical(interpret(written.graph, inputs)[0], want));
  }
}

TEST(Fold, ADecoderThatNestedGraphsReadGoesIntoThem) {
  const Model nodes = parse_model(R"(graph "g" {
  input x: f32[2,2]
  input c: bool[]
  const w: i8[2,2] = {5, 6, 7, -8}
  const s: f32[] = {0.5}
  v: f32[2,2] = DequantizeLinear(w, s) @"dq"
  y = If(c) then_branch=graph "then" {
    m = MatMul(x, v)
    output m
  } else_branch=graph "else" {
    k = If(c) then_branch=graph "deeper" {
      a = Add(x, v)
      output a
    } else_branch=graph "other" {
      b = Neg(x)
      output b
    }
    n = Mul(k, v)
    output n
  }
  z = MatMul(x, v)
  output y
  output z
})");
  FoldReport report;
  const Model m = fold(nodes, &report);
  EXPECT_EQ(report.kept, Lines());
  EXPECT_EQ(m.quantization.at.size(), 4u) << print(m);
  const Model again = fold(through_a_file(materialise(m)));
  EXPECT_EQ(again.quantization.at.size(), 4u);
  for (const Model& model : {m, materialise(m), again}) expect_equal_runs(nodes, model);
}

TEST(Fold, EntriesOfABranchThatIsInlinedMoveWithIt) {
  Model m = fold(parse_model(kNestedWeights));
  Graph& g = m.graph;
  Tensor no(DType::boolean, {});
  g.nodes[0].inputs[0] = g.add_constant("no", no);
  const Model inlined = run_pass("inline_if", m);
  EXPECT_EQ(inlined.quantization.at.size(), 2u) << print(inlined);
  const auto difference = std::find_if(inlined.graph.nodes.begin(), inlined.graph.nodes.end(), [](const Node& n) { return n.name == "difference"; });
  ASSERT_NE(difference, inlined.graph.nodes.end());
  EXPECT_NE(inlined.quantization.find({difference->id, Side::input, 1}), nullptr);
}

TEST(Fold, ActivationsOfNestedGraphsHaveNoPlaces) {
  try {
    parse_model("graph \"g\" {\n input x: f32[2]\n input c: bool[]\n y = If(c) then_branch=graph \"t\" {\n a = Neg(x) @\"n\"\n output a\n }"
                " else_branch=graph \"e\" {\n b = Exp(x)\n output b\n }\n output y\n}\nat 2 output 0: static {uint8 0 255 scale f32[]{1}}");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "node 'n' (Neg): stands in a nested graph, where only constants have places, not output 0");
  }
}

TEST(Materialise, WhatIsNotCalibratedIsAnError) {
  Model m = parse_model("graph \"g\" {\n input x: f32[2]\n y: f32[2] = Relu(x) @\"r\"\n output y\n}\n"
                        "at 0 output 0: static");
  try {
    materialise(m);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "node 'r' (Relu): output 0: has no scale yet: calibrate first");
  }
}

TEST(Fold, AForeignQdqFileLosesItsNodes) {
  const std::string path = BW_SOURCE_DIR "/../shared/data/onnx/mobilenet_v2_ort_qdq.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data is absent";
  const Model nodes = read_onnx(path);
  FoldReport report;
  const Model m = fold(nodes, &report);
  EXPECT_EQ(report.kept, Lines());
  for (const Node& node : m.graph.nodes) EXPECT_EQ(node.op.find("quantizeLinear"), std::string::npos) << display_name(node);
  const Model written = materialise(m);
  EXPECT_EQ(print(fold(written), {.inline_elements = 1 << 16}), print(m, {.inline_elements = 1 << 16}));
}

}  // namespace
}  // namespace bitwright
