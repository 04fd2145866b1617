// Each pass as text: in -> pass -> out; one test per reason to refuse; the function stays what it was.
#include "passes/pass.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "graph/text.hpp"
#include "io/onnx/onnx.hpp"
#include "ops/infer.hpp"
#include "passes/fold.hpp"

namespace bitwright {
namespace {

using Lines = std::vector<std::string>;

std::vector<Tensor> random_inputs(const Graph& g, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Tensor> inputs;
  for (const ValueId id : g.inputs) {
    Shape shape = g.value(id).shape;
    for (size_t i = 0; i < shape.size(); ++i) shape[i] = shape[i] >= 0 ? shape[i] : i == 0 ? 1 : 16;
    Tensor t(g.value(id).dtype, shape);
    if (t.dtype() == DType::f32)
      for (float& v : t.values<float>()) v = std::uniform_real_distribution<float>(-2, 2)(random);
    inputs.push_back(t);
  }
  return inputs;
}

/// Within 1e-5 of the largest magnitude.
void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.shape(), b.shape());
  double most = 0, difference = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    most = std::max(most, std::fabs(value_as_double(a, i)));
    difference = std::max(difference, std::fabs(value_as_double(a, i) - value_as_double(b, i)));
  }
  EXPECT_LE(difference, tolerance * std::max(most, 1e-6));
}

/// Whether every operator of the graph can be computed already.
bool runnable(const Graph& g) {
  for (const Node& node : g.nodes)
    if (const Op* op = find_op(node.domain, node.op); !op || !op->run) return false;
  return true;
}

void expect_same_function(const Model& a, const Model& b) {
  if (!runnable(a.graph) || !runnable(b.graph)) return;
  const auto inputs = random_inputs(a.graph, 5);
  const auto x = interpret(a.graph, inputs), y = interpret(b.graph, inputs);
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) expect_near(x[i], y[i], 1e-5);
}

PassReport expect_pass(const std::string& pass, const std::string& text, const std::string& expected) {
  const Model before = parse_model(text);
  std::vector<PassRun> runs;
  const Model after = run_pass(pass, before, {}, &runs);
  EXPECT_EQ(print(after), expected);
  expect_same_function(before, after);
  return runs[0].report;
}
Lines kept_by(const std::string& pass, const std::string& text) {
  const Model before = parse_model(text);
  std::vector<PassRun> runs;
  const Model after = run_pass(pass, before, {}, &runs);
  EXPECT_EQ(print(after), print(before));
  return runs[0].report.kept;
}

const std::string kBatchNorm = R"(  const gamma: f32[2] = {2, 0.5}
  const beta: f32[2] = {1, -1}
  const mean: f32[2] = {3, 4}
  const var: f32[2] = {4, 0.25}
)";

TEST(FoldBatchNorm, BehindAConvolution) {
  const auto report = expect_pass("fold_batch_norm", R"(graph "g" {
  input x: f32[1,1,3,3]
  const w: f32[2,1,1,1] = {3, -5}
  const b: f32[2] = {1, 2}
)" + kBatchNorm + R"(  c: f32[1,2,3,3] = Conv(x, w, b) @"conv"
  y: f32[1,2,3,3] = BatchNormalization(c, gamma, beta, mean, var) epsilon=0.0 @"bn"
  output y
}
at 0 input 1: static {int8 -128 127 scale f32[]{1}} codes i8[2,1,1,1]{3, -5}
at 1 output 0: static {uint8 0 255 scale f32[]{0.5}}
)",
                                  R"(graph "g" {
  input x: f32[1,1,3,3]
  const w: f32[2,1,1,1] = {3, -5}
  const conv.bias: f32[2] = {-1, -3}
  y: f32[1,2,3,3] = Conv(x, w, conv.bias) @"conv"
  output y
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.5}}
at 0 input 1: static {int8 -128 127 channel 0 scale f32[2]{1, 1}} codes i8[2,1,1,1]{3, -5}
)");
  EXPECT_EQ(report.done, Lines{"node 'bn' (BatchNormalization): folded into node 'conv' (Conv)"});
}

TEST(FoldBatchNorm, BeforeAConvolution) {
  expect_pass("fold_batch_norm", R"(graph "g" {
  input x: f32[1,2,2,2]
  const w: f32[1,2,1,1] = {3, -5}
)" + kBatchNorm + R"(  n: f32[1,2,2,2] = BatchNormalization(x, gamma, beta, mean, var) epsilon=0.0 @"bn"
  y: f32[1,1,2,2] = Conv(n, w) @"conv"
  output y
}
)",
              R"(graph "g" {
  input x: f32[1,2,2,2]
  const w: f32[1,2,1,1] = {3, -5}
  const conv.bias: f32[1] = {19}
  y: f32[1,1,2,2] = Conv(x, w, conv.bias) @"conv"
  output y
}
)");
}

TEST(FoldBatchNorm, GemmMatMulAndTransposedConvolutions) {
  for (const std::string& linear : {std::string("Gemm(x, w, b) transB=1"), std::string("Gemm(x, w)"), std::string("MatMul(x, w)")}) {
    const Model before = parse_model(R"(graph "g" {
  input x: f32[3,2]
  const w: f32[2,2] = {3, -5, 1, 0.5}
  const b: f32[2] = {1, 2}
)" + kBatchNorm + "  c: f32[3,2] = " + linear + R"( @"l"
  y: f32[3,2] = BatchNormalization(c, gamma, beta, mean, var) @"bn"
  output y
})");
    const Model after = run_pass("fold_batch_norm", before);
    for (const Node& node : after.graph.nodes) EXPECT_NE(node.op, "BatchNormalization");
    expect_same_function(before, after);
  }
  const Model before = parse_model(R"(graph "g" {
  input x: f32[1,2,3,3]
  const w: f32[2,1,1,1] = {3, -5}
)" + kBatchNorm + R"(  c: f32[1,2,3,3] = ConvTranspose(x, w) group=2 @"l"
  y: f32[1,2,3,3] = BatchNormalization(c, gamma, beta, mean, var) @"bn"
  output y
})");
  const Model after = run_pass("fold_batch_norm", before);
  EXPECT_EQ(after.graph.nodes.size(), 1u);
  expect_same_function(before, after);
}

TEST(FoldBatchNorm, IntoProductsWhoseRankTheFileDoesNotTell) {
  for (const std::string nodes : {"  c = MatMul(x, w)\n  y = BatchNormalization(c, gamma, beta, mean, var)\n",
                                  "  c = BatchNormalization(x, gamma, beta, mean, var)\n  y = MatMul(c, w)\n",
                                  "  c = BatchNormalization(x, gamma, beta, mean, var)\n  d = MatMul(c, w)\n  y = Add(b, d)\n",
                                  "  c = BatchNormalization(x, gamma, beta, mean, var)\n  y = Gemm(c, w, b)\n"}) {
    Model before = parse_model("graph \"g\" {\n  input x: f32[N,2]\n  const w: f32[2,2] = {3, -5, 1, 0.5}\n  const b: f32[2] = {1, 2}\n" +
                                     kBatchNorm + nodes + "  output y\n}");
    infer_shapes(before.graph);
    const Model after = run_pass("fold_batch_norm", before);
    for (const Node& node : after.graph.nodes) EXPECT_NE(node.op, "BatchNormalization") << nodes;
    EXPECT_LE(after.graph.nodes.size(), 2u);
    expect_same_function(before, after);
  }
  EXPECT_EQ(kept_by("fold_batch_norm", "graph \"g\" {\n  input x: f32[1,2,2]\n  const w: f32[2,2] = {3, -5, 1, 0.5}\n" + kBatchNorm +
                    "  c: f32[1,2,2] = BatchNormalization(x, gamma, beta, mean, var) @\"bn\"\n  y: f32[1,2,2] = MatMul(c, w)\n  output y\n}\n"),
            Lines{"node 'bn' (BatchNormalization): the product behind it is not known to have two dimensions"});
}

// With any extent for a symbol Squeeze without axes would drop that axis, too.
TEST(Pipeline, RanksThatDependOnSymbolsAreNotKnown) {
  Model m = parse_model("graph \"g\" {\n  input x: f32[N,2,1]\n  a = Relu(x)\n  y = Squeeze(a)\n  output y\n}");
  infer_shapes(m.graph);
  EXPECT_EQ(m.graph.value(m.graph.nodes[0].output()).shape.size(), 3u);
  EXPECT_FALSE(m.graph.value(m.graph.nodes[1].output()).has_shape);
}

TEST(FoldBatchNorm, ReasonsToRefuse) {
  auto reason = [](const std::string& nodes, const std::string& outputs = "  output y\n") {
    return kept_by("fold_batch_norm", "graph \"g\" {\n  input x: f32[1,2,3,3]\n  input v: f32[2,2,1,1]\n"
                   "  const w: f32[2,2,1,1] = {1, 2, 3, 4}\n" + kBatchNorm + nodes + outputs + "}\n");
  };
  const std::string bn = "  y: f32[1,2,3,3] = BatchNormalization(c, gamma, beta, mean, var) @\"bn\"\n";
  const std::string name = "node 'bn' (BatchNormalization): ";
  EXPECT_EQ(reason("  c: f32[1,2,3,3] = Relu(x) @\"r\"\n" + bn),
            Lines{name + "it stands behind node 'r' (Relu), which has no weights to fold it into"});
  EXPECT_EQ(reason("  c: f32[1,2,3,3] = Conv(x, w)\n" + bn, "  output y\n  output c\n"), Lines{name + "what it normalises has other readers"});
  EXPECT_EQ(reason("  c: f32[1,2,3,3] = Conv(x, v)\n" + bn), Lines{name + "the weights before it are not float32 constants"});
  EXPECT_EQ(reason("  n: f32[1,2,3,3] = BatchNormalization(x, gamma, beta, mean, var) @\"bn\"\n"
                   "  y: f32[1,2,5,5] = Conv(n, w) pads=i[1, 1, 1, 1]\n"),
            Lines{name + "the Conv behind it pads with zeros, which its shift would change"});
}

TEST(FoldGemmFactors, IntoWeightsAndBias) {
  const auto report = expect_pass("fold_gemm_factors", R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,2] = {1, 2, -3, 4}
  const b: f32[2] = {3, -5}
  a: f32[2,2] = Gemm(x, w, b) alpha=0.5 beta=2.0 transB=1 @"fc"
  y: f32[2,2] = Gemm(a, w) alpha=1.0 beta=3.0 @"fd"
  output y
})", R"(graph "g" {
  input x: f32[2,2]
  const w_1: f32[2,2] = {0.5, 1, -1.5, 2}
  const b: f32[2] = {6, -10}
  const w: f32[2,2] = {1, 2, -3, 4}
  a: f32[2,2] = Gemm(x, w_1, b) transB=1 @"fc"
  y: f32[2,2] = Gemm(a, w) @"fd"
  output y
}
)");
  EXPECT_EQ(report.done, (Lines{"node 'fc' (Gemm): its alpha 0.5 is folded into input 1", "node 'fc' (Gemm): its beta 2 is folded into input 2"}));
}

TEST(FoldGemmFactors, ABiasOfOneNumberIsSpread) {
  const auto report = expect_pass("fold_gemm_factors", R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,3] = {1, 2, -3, 4, 5, 6}
  const b: f32[] = {3}
  y: f32[2,3] = Gemm(x, w, b) beta=0.5 @"fc"
  output y
})", R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,3] = {1, 2, -3, 4, 5, 6}
  const b: f32[3] = {1.5, 1.5, 1.5}
  y: f32[2,3] = Gemm(x, w, b) @"fc"
  output y
}
)");
  EXPECT_EQ(report.done.back(), "node 'fc' (Gemm): its bias, one number, is given once per output");
}

TEST(FoldGemmFactors, CodesStayAndScalesTakeThem) {
  expect_pass("fold_gemm_factors", R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,2] = {1, 1, -3, 2}
  y: f32[2,2] = Gemm(x, w) alpha=0.5 @"fc"
  output y
}
at 0 input 1: static {int8 -127 127 channel 1 scale f32[2]{1, 0.5}} codes i8[2,2]{1, 2, -3, 4}
)", R"(graph "g" {
  input x: f32[2,2]
  const w: f32[2,2] = {0.5, 0.5, -1.5, 1}
  y: f32[2,2] = Gemm(x, w) @"fc"
  output y
}
at 0 input 1: static {int8 -127 127 channel 1 scale f32[2]{0.5, 0.25}} codes i8[2,2]{1, 2, -3, 4}
)");
}

TEST(FoldGemmFactors, ReasonsToRefuse) {
  const auto gemm = [](const std::string& attributes, const std::string& entry = "") {
    return kept_by("fold_gemm_factors", "graph \"g\" {\n input x: f32[2,2]\n input v: f32[2,2]\n const w: f32[2,2] = {1, 2, -3, 4}\n y = Gemm(" +
                                            attributes + " @\"fc\"\n output y\n}\n" + entry);
  };
  EXPECT_EQ(gemm("x, v) alpha=0.5"), Lines{"node 'fc' (Gemm): its alpha 0.5 stays: input 1 is no float32 constant"});
  EXPECT_EQ(gemm("x, w, v) beta=0.5"), Lines{"node 'fc' (Gemm): its beta 0.5 stays: input 2 is no float32 constant"});
  EXPECT_EQ(gemm("x, w) alpha=-0.5", "at 0 input 1: static {int8 -127 127 scale f32[]{1}} codes i8[2,2]{1, 2, -3, 4}"),
            Lines{"node 'fc' (Gemm): its alpha -0.5 stays: input 1 is quantized and does not take it"});
}

TEST(ConstantFolding, ComputesAndKeepsCodesThroughTranspose) {
  expect_pass("constant_folding", R"(graph "g" {
  input x: f32[1,2]
  const a: f32[2] = {1, 2}
  const w: f32[3,2] = {1, 2, 3, 4, 5, 6}
  s: f32[2] = Add(a, a)
  t: f32[2,3] = Transpose(w) perm=i[1, 0]
  u: f32[1,2] = Add(x, s)
  y: f32[1,3] = MatMul(u, t)
  output y
}
at 1 input 0: static {int8 -128 127 channel 0 scale f32[3]{1, 1, 1}} codes i8[3,2]{1, 2, 3, 4, 5, 6}
)",
              find_op("", "Transpose") ? R"(graph "g" {
  input x: f32[1,2]
  const s: f32[2] = {2, 4}
  const t: f32[2,3] = {1, 3, 5, 2, 4, 6}
  u: f32[1,2] = Add(x, s)
  y: f32[1,3] = MatMul(u, t)
  output y
}
at 1 input 1: static {int8 -128 127 channel 1 scale f32[3]{1, 1, 1}} codes i8[2,3]{1, 3, 5, 2, 4, 6}
)" : R"(graph "g" {
  input x: f32[1,2]
  const w: f32[3,2] = {1, 2, 3, 4, 5, 6}
  const s: f32[2] = {2, 4}
  t: f32[2,3] = Transpose(w) perm=i[1, 0]
  u: f32[1,2] = Add(x, s)
  y: f32[1,3] = MatMul(u, t)
  output y
}
at 0 input 0: static {int8 -128 127 channel 0 scale f32[3]{1, 1, 1}} codes i8[3,2]{1, 2, 3, 4, 5, 6}
)");
}

TEST(RemoveIdentity, KeepsNamesOfOutputsAndHandsEntriesOn) {
  expect_pass("remove_identity", R"(graph "g" {
  input x: f32[2]
  a: f32[2] = Identity(x)
  b: f32[2] = Relu(a)
  y: f32[2] = Identity(b)
  output y
}
at 0 output 0: static {uint8 0 255 scale f32[]{0.5}}
)",
              R"(graph "g" {
  input x: f32[2]
  y: f32[2] = Relu(x)
  output y
}
at 0 input 0: static {uint8 0 255 scale f32[]{0.5}}
)");
  EXPECT_EQ(kept_by("remove_identity", "graph \"g\" {\n  input x: f32[2]\n  y: f32[2] = Identity(x) @\"i\"\n  output y\n}\n"),
            Lines{"node 'i' (Identity): joins an input of the graph to an output"});
}

TEST(DeadCode, RemovesChainsThatNobodyReads) {
  expect_pass("dead_code", "graph \"g\" {\n  input x: f32[2]\n  a: f32[2] = Relu(x)\n  b: f32[2] = Relu(a)\n"
              "  y: f32[2] = Relu(x)\n  output y\n}\n",
              "graph \"g\" {\n  input x: f32[2]\n  y: f32[2] = Relu(x)\n  output y\n}\n");
}

TEST(ConstantFolding, ReadsTheKnownExtentsOfAnInputWithSymbols) {
  const char* const text = R"(graph "g" {
  input x: f32[2,N,8]
  const first: i64[] = {0}
  const batch: i64[] = {1}
  const start: i64[1] = {2}
  const end: i64[1] = {3}
  s: i64[3] = Shape(x)
  two: i64[] = Gather(s, first)
  n: i64[] = Gather(s, batch)
  eight: i64[1] = Slice(s, start, end)
  output two
  output n
  output eight
}
)";
  const Model folded = run_pass("constant_folding", parse_model(text));
  const auto constant = [&](size_t output) { return folded.graph.constant(folded.graph.outputs[output]); };
  ASSERT_TRUE(constant(0) && constant(2));
  EXPECT_EQ(value_as_int(*constant(0), 0), 2);
  EXPECT_EQ(value_as_int(*constant(2), 0), 8);
  EXPECT_EQ(constant(1), nullptr);  // the symbol
}

TEST(InlineIf, TakesTheBranchOfAConstantCondition) {
  expect_pass("inline_if", R"(graph "g" {
  input x: f32[2]
  const c: bool[] = {1}
  a: f32[2] = Relu(x)
  y: f32[2] = If(c) else_branch=graph "e" {
    output a
  } then_branch=graph "t" {
    const one: f32[] = {1}
    b: f32[2] = Add(a, one)
    output b
  }
  output y
}
)",
              R"(graph "g" {
  input x: f32[2]
  const one: f32[] = {1}
  a: f32[2] = Relu(x)
  b: f32[2] = Add(a, one)
  y: f32[2] = Identity(b)
  output y
}
)");
}

TEST(MergePad, IntoAConvolutionAndNot) {
  const std::string head = "graph \"g\" {\n  input x: f32[1,1,3,3]\n  const w: f32[1,1,1,1] = {2}\n";
  const std::string pad = "  p = Pad(x, pads) @\"pad\"\n";
  expect_pass("merge_pad", head + "  const pads: i64[8] = {0, 0, 1, 2, 0, 0, 3, 4}\n" + pad + "  y = Conv(p, w) @\"c\"\n  output y\n}\n",
              head + "  y = Conv(x, w) pads=i[1, 2, 3, 4] @\"c\"\n  output y\n}\n");
  const std::string name = "node 'pad' (Pad): ";
  EXPECT_EQ(kept_by("merge_pad", "graph \"g\" {\n  input x: f32[1,1,3,3]\n  const pads: i64[8] = {0, 1, 1, 2, 0, 0, 3, 4}\n"
                    "  const w: f32[1,2,1,1] = {2, 3}\n" + pad + "  y = Conv(p, w)\n  output y\n}\n"),
            Lines{name + "it pads batch or channels, or cuts"});
  EXPECT_EQ(kept_by("merge_pad", "graph \"g\" {\n  input x: f32[1,1,3,3]\n  const pads: i64[8] = {0, 0, 1, 2, 0, 0, 3, 4}\n" + pad +
                    "  y = Relu(p)\n  output y\n}\n"),
            Lines{name + "no Conv alone reads it"});
}

/// The operators that are left after `pass` and the removal of what nothing reads; the function is unchanged.
std::string ops_after(const std::string& pass, const std::string& body) {
  const Model before = parse_model("graph \"g\" {\n  input x: f32[2,4]\n" + body + "  output y\n}\n");
  const Model after = run_pass("dead_code", run_pass(pass, before));
  expect_same_function(before, after);
  std::string ops;
  for (const Node& node : after.graph.nodes) ops += (ops.empty() ? "" : " ") + node.op;
  return ops;
}

TEST(Fuse, Gelu) {
  if (!find_op("", "Gelu")) GTEST_SKIP() << "no operator Gelu yet";
  EXPECT_EQ(ops_after("fuse_gelu", R"(
  const r: f32[] = {1.41421354}
  const one: f32[] = {1}
  const h: f32[] = {0.5}
  a = Div(x, r)
  b = Erf(a)
  c = Add(b, one)
  d = Mul(x, c)
  y = Mul(d, h)
)"), "Gelu");
  EXPECT_EQ(ops_after("fuse_gelu", R"(
  const k: f32[] = {0.7978846}
  const q: f32[] = {0.044715}
  const one: f32[] = {1}
  const three: f32[] = {3}
  const h: f32[] = {0.5}
  a = Pow(x, three)
  b = Mul(a, q)
  c = Add(x, b)
  d = Mul(c, k)
  e = Tanh(d)
  f = Add(e, one)
  g = Mul(x, h)
  y = Mul(g, f)
)"), "Gelu");
  EXPECT_EQ(ops_after("fuse_gelu", R"(
  const r: f32[] = {1.5}
  const one: f32[] = {1}
  const h: f32[] = {0.5}
  a = Div(x, r)
  b = Erf(a)
  c = Add(b, one)
  d = Mul(x, c)
  y = Mul(d, h)
)"), "Div Erf Add Mul Mul");
}

TEST(Fuse, SiluAndHardSwish) {
  if (find_op("", "Swish")) {
    EXPECT_EQ(ops_after("fuse_silu", "  a = Sigmoid(x)\n  y = Mul(a, x)\n"), "Swish");
    EXPECT_EQ(ops_after("fuse_silu", "  a = Sigmoid(x)\n  b = Relu(x)\n  y = Mul(a, b)\n"), "Sigmoid Relu Mul");
  }
  if (!find_op("", "HardSwish")) GTEST_SKIP() << "no operator HardSwish yet";
  EXPECT_EQ(ops_after("fuse_hard_swish", "  a = HardSigmoid(x) alpha=0.16666667 beta=0.5\n  y = Mul(x, a)\n"), "HardSwish");
  EXPECT_EQ(ops_after("fuse_hard_swish", R"(
  const three: f32[] = {3}
  const zero: f32[] = {0}
  const six: f32[] = {6}
  a = Add(x, three)
  b = Clip(a, zero, six)
  c = Mul(x, b)
  y = Div(c, six)
)"), "HardSwish");
}

const char* const kMoments = R"(
  const axes: i64[1] = {-1}
  const e: f32[] = {0.001}
  const two: f32[] = {2}
  const gamma: f32[4] = {1, 2, 3, 4}
  const beta: f32[4] = {0, 1, 0, -1}
)";

TEST(Fuse, LayerAndRmsNormalization) {
  if (!find_op("", "ReduceMean") || !find_op("", "Sqrt")) GTEST_SKIP() << "no operator ReduceMean yet";
  const std::string deviation = std::string(kMoments) + "  m = ReduceMean(x, axes)\n  d = Sub(x, m)\n  p = Pow(d, two)\n"
                                "  v = ReduceMean(p, axes)\n  w = Add(v, e)\n  s = Sqrt(w)\n  n = Div(d, s)\n";
  EXPECT_EQ(ops_after("fuse_layer_norm", deviation + "  g = Mul(n, gamma)\n  y = Add(g, beta)\n"), "LayerNormalization");
  EXPECT_EQ(ops_after("fuse_layer_norm", deviation + "  y = Mul(gamma, n)\n"), "LayerNormalization");
  EXPECT_EQ(ops_after("fuse_layer_norm", deviation + "  y = Relu(n)\n"), "ReduceMean Sub Pow ReduceMean Add Sqrt Div Relu");
  const std::string tensorflow = std::string(kMoments) + "  m = ReduceMean(x, axes)\n  d = Sub(x, m)\n  p = Mul(d, d)\n  v = ReduceMean(p, axes)\n"
                                 "  w = Add(v, e)\n  s = Sqrt(w)\n  i = Reciprocal(s)\n  k = Mul(i, gamma)\n  a = Mul(x, k)\n";
  EXPECT_EQ(ops_after("fuse_layer_norm", tensorflow + "  b = Mul(m, k)\n  c = Sub(beta, b)\n  y = Add(a, c)\n"), "LayerNormalization");
  EXPECT_EQ(ops_after("fuse_layer_norm", tensorflow + "  b = Mul(v, k)\n  c = Sub(beta, b)\n  y = Add(a, c)\n"),
            "ReduceMean Sub Mul ReduceMean Add Sqrt Reciprocal Mul Mul Mul Sub Add");
  if (!find_op("", "RMSNormalization") || !find_op("", "Reciprocal")) GTEST_SKIP() << "no operator RMSNormalization yet";
  EXPECT_EQ(ops_after("fuse_rms_norm", std::string(kMoments) + "  p = Mul(x, x)\n  v = ReduceMean(p, axes)\n  w = Add(v, e)\n"
                      "  s = Sqrt(w)\n  i = Reciprocal(s)\n  n = Mul(x, i)\n  y = Mul(gamma, n)\n"), "RMSNormalization");
}

const char* const kGeluConstants = R"(
  const k: f32[] = {0.7978846}
  const q: f32[] = {0.044715}
  const r: f32[] = {0.70710677}
  const one: f32[] = {1}
  const h: f32[] = {0.5}
)";

TEST(Fuse, GeluInTheOrdersOfOtherExporters) {
  const auto fused = [](const std::string& nodes) { return ops_after("fuse_gelu", kGeluConstants + nodes); };
  // tf2onnx, Keras: (0.5 * x) * (1 + erf(x * sqrt(1/2)))
  EXPECT_EQ(fused("  a = Mul(x, r)\n  b = Erf(a)\n  c = Add(one, b)\n  d = Mul(h, x)\n  y = Mul(d, c)\n"), "Gelu");
  // Hugging Face: x * (0.5 * (1 + erf))
  EXPECT_EQ(fused("  a = Mul(x, r)\n  b = Erf(a)\n  c = Add(b, one)\n  d = Mul(c, h)\n  y = Mul(x, d)\n"), "Gelu");
  // GPT-2 with the cube as products
  EXPECT_EQ(fused("  a = Mul(x, x)\n  b = Mul(a, x)\n  c = Mul(q, b)\n  d = Add(x, c)\n  e = Mul(d, k)\n  f = Tanh(e)\n"
                  "  g = Add(f, one)\n  i = Mul(x, h)\n  y = Mul(i, g)\n"), "Gelu");
}

TEST(Fuse, GeluReasonsToRefuse) {
  const auto kept = [](const std::string& nodes) { return ops_after("fuse_gelu", kGeluConstants + nodes); };
  // erf of something else
  EXPECT_EQ(kept("  z = Relu(x)\n  a = Mul(z, r)\n  b = Erf(a)\n  c = Add(b, one)\n  d = Mul(c, h)\n  y = Mul(x, d)\n"),
            "Relu Mul Erf Add Mul Mul");
  // another factor than a half
  EXPECT_EQ(kept("  a = Mul(x, r)\n  b = Erf(a)\n  c = Add(b, one)\n  y = Mul(x, c)\n"), "Mul Erf Add Mul");
  // the cube of another number
  EXPECT_EQ(kept("  z = Relu(x)\n  a = Mul(x, x)\n  b = Mul(a, z)\n  c = Mul(q, b)\n  d = Add(x, c)\n  e = Mul(d, k)\n"
                 "  f = Tanh(e)\n  g = Add(f, one)\n  i = Mul(x, h)\n  y = Mul(i, g)\n"),
            "Relu Mul Mul Mul Add Mul Tanh Add Mul Mul");
}

TEST(Fuse, HardSwishOfKerasAndWhatIsNone) {
  const std::string constants = "  const three: f32[] = {3}\n  const zero: f32[] = {0}\n  const six: f32[] = {6}\n"
                                "  const sixth: f32[] = {0.16666667}\n  a = Add(x, three)\n";
  EXPECT_EQ(ops_after("fuse_hard_swish", constants + "  b = Clip(a, zero, six)\n  c = Mul(b, sixth)\n  y = Mul(x, c)\n"), "HardSwish");
  EXPECT_EQ(ops_after("fuse_hard_swish", constants + "  b = Clip(a, zero, three)\n  c = Mul(b, sixth)\n  y = Mul(x, c)\n"),
            "Add Clip Mul Mul");  // another ceiling
  EXPECT_EQ(ops_after("fuse_hard_swish", constants + "  b = Clip(a, zero, six)\n  y = Mul(x, b)\n"), "Add Clip Mul");  // no sixth
  EXPECT_EQ(ops_after("fuse_hard_swish", "  a = HardSigmoid(x) alpha=0.2 beta=0.5\n  y = Mul(x, a)\n"), "HardSigmoid Mul");
}

TEST(FindAttention, IsReportedAndKept) {
  const auto report = [](const std::string& scores, const std::string& values) {
    return kept_by("find_attention", "graph \"g\" {\n  input q: f32[2,3,4]\n  input k: f32[2,4,3]\n  input v: f32[2,3,4]\n"
                   "  input mask: f32[2,3,3]\n  const root: f32[] = {0.5}\n  s: f32[2,3,3] = MatMul(q, k)\n" +
                   scores + "  p: f32[2,3,3] = Softmax(t) axis=-1\n" + values + "  output y\n}\n").size();
  };
  const std::string product = "  y: f32[2,3,4] = MatMul(p, v)\n";
  const std::string scaled = "  u: f32[2,3,3] = Mul(s, root)\n";
  EXPECT_EQ(report(scaled + "  t: f32[2,3,3] = Add(u, mask)\n", product), 1u);
  EXPECT_EQ(report("  t: f32[2,3,3] = Div(s, root)\n", product), 1u);
  EXPECT_EQ(report("  t: f32[2,3,3] = Relu(s)\n", product), 0u);                                    // no scaling or mask
  EXPECT_EQ(report(scaled + "  t: f32[2,3,3] = Add(u, mask)\n", "  y: f32[2,3,3] = Relu(p)\n"), 0u);  // weighs nothing
}

TEST(MatMulAdd, BecomesGemmForMatricesOnly) {
  EXPECT_EQ(ops_after("matmul_add_to_gemm", "  const w: f32[4,1] = {1, 2, 3, 4}\n  const b: f32[1] = {5}\n  p: f32[2,1] = MatMul(x, w)\n  y = Add(p, b)\n"), "Gemm");
  EXPECT_EQ(ops_after("matmul_add_to_gemm", "  const w: f32[4,1] = {1, 2, 3, 4}\n  const b: f32[2,1] = {5, 6}\n  p: f32[2,1] = MatMul(x, w)\n  y = Add(p, b)\n"), "MatMul Add");
}

TEST(WidenHalf, TheInterfaceKeepsItsTypes) {
  const PassReport report = expect_pass("widen_half", R"(graph "g" {
  input x: f16[2]
  input c: bool[]
  const w: f16[2] = {1, 2}
  p: f16[2] = Mul(x, w)
  a: f16[2] = Cast(p) to=10
  y: f16[2] = If(c) then_branch=graph "t" {
    n: f16[2] = Neg(x)
    output n
  } else_branch=graph "e" {
    output a
  }
  output y
  output p
}
)", R"(graph "g" {
  input x: f16[2]
  input c: bool[]
  const w: f32[2] = {1, 2}
  x_float32: f32[2] = Cast(x) to=1 @"x_float32"
  p_float32: f32[2] = Mul(x_float32, w)
  a: f32[2] = Cast(p_float32) to=1
  y_float32: f32[2] = If(c) else_branch=graph "e" {
    output a
  } then_branch=graph "t" {
    n: f32[2] = Neg(x_float32)
    output n
  }
  y: f16[2] = Cast(y_float32) to=10 @"y_float32"
  p: f16[2] = Cast(p_float32) to=10 @"p_float32"
  output y
  output p
}
)");
  EXPECT_EQ(report.done, Lines{"a network in half precision: computed in float32, its inputs and outputs keep their types"});
}

TEST(WidenHalf, WhatIsUnknownKeepsItsTypes) {
  EXPECT_EQ(kept_by("widen_half", "graph \"g\" {\n  input x: f16[2]\n  y: f16[2] = my.Op(x)\n  output y\n}\n"), Lines{"node #1 (my.Op): it is not known how it computes in float32, so half precision stays"});
  EXPECT_TRUE(kept_by("widen_half", "graph \"g\" {\n  input x: f32[2]\n  y: f32[2] = Relu(x)\n  output y\n}\n").empty());
}

TEST(Pipeline, EveryPassCanBeSwitchedOffAndMisspellingIsAnError) {
  const Model model = parse_model("graph \"g\" {\n  input x: f32[2]\n  a: f32[2] = Identity(x)\n  y: f32[2] = Relu(a)\n  output y\n}\n");
  std::vector<PassRun> runs;
  EXPECT_EQ(simplify(model, {}, &runs).graph.nodes.size(), 1u);
  EXPECT_GE(runs.size(), passes().size());  // every pass has a place in the pipeline
  for (const Pass& pass : passes())
    EXPECT_TRUE(std::any_of(runs.begin(), runs.end(), [&](const PassRun& run) { return run.name == pass.name; })) << pass.name;
  EXPECT_EQ(simplify(model, {.off = {"remove_identity"}}).graph.nodes.size(), 2u);
  EXPECT_THROW(simplify(model, {.off = {"remove_identitty"}}), Error);
}

TEST(Pipeline, BranchesWithinBranchesAreInlined) {
  const Model after = simplify(parse_model(R"(graph "g" {
    input x: f32[2,3]
    const two: i64[] = {2}
    shape = Shape(x)
    n = Size(shape)
    yes = Equal(n, two)
    y: f32[2,3] = If(yes) then_branch=graph "then" {
      s = Shape(x)
      r = Size(s)
      flat = Equal(r, two)
      inner = If(flat) then_branch=graph "deep" { d = Relu(x) output d } else_branch=graph "no" { e = Neg(x) output e }
      output inner
    } else_branch=graph "else" { o = Abs(x) output o }
    output y
  })"));
  ASSERT_EQ(after.graph.nodes.size(), 1u) << print(after);
  EXPECT_EQ(after.graph.nodes[0].op, "Relu");
}

class Simplified : public testing::TestWithParam<const char*> {};

TEST_P(Simplified, ComputesTheSame) {
  const std::string path = BW_SOURCE_DIR "/../shared/data/" + std::string(GetParam());
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data is absent";
  const Model before = fold(read_onnx(path));
  std::vector<PassRun> runs;
  const Model after = simplify(before, {}, &runs);
  for (const PassRun& run : runs)
    for (const std::string& kept : run.report.kept)
      EXPECT_EQ(kept.find("BatchNormalization"), std::string::npos) << kept;
  if (!runnable(before.graph) || !runnable(after.graph)) GTEST_SKIP() << "operators are missing";
  expect_same_function(before, after);
}

INSTANTIATE_TEST_SUITE_P(Shared, Simplified,
                         testing::Values("cifar10/resnet20_cifar10.onnx", "onnx/FastestDet.onnx", "onnx/yunet_n_320_320.onnx",
                                         "lstm/dtln/model_1.onnx", "lstm/char_lstm/char_lstm.onnx"));

}  // namespace
}  // namespace bitwright
