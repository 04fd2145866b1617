// MatMulInteger and ConvInteger on codes whose scales are constants of the file.
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "ops/op.hpp"
#include "passes/fold.hpp"

namespace bitwright {
namespace {

/// x -> Q -> MatMulInteger -> Cast -> Mul by `factor`.
std::string product(const std::string& factor) {
  return R"(graph "g" {
  input x: f32[2,3]
  const sx: f32[] = {0.5}
  const zx: u8[] = {7}
  const w: i8[3,2] = {1, 2, -3, 4, 5, 6}
  const m: f32)" + factor + R"(
  q: u8[2,3] = QuantizeLinear(x, sx, zx)
  i: i32[2,2] = MatMulInteger(q, w, zx)
  c: f32[2,2] = Cast(i) to=1
  y: f32[2,2] = Mul(c, m)
  output y
})";
}

Tensor run(const Model& model, const Tensor& input) { return interpret(model.graph, std::vector<Tensor>{input})[0]; }

TEST(IntegerProducts, ConstantScalesAreThoseOfInputAndWeights) {
  const Model nodes = parse_model(product("[2] = {0.125, 0.25}")), m = fold(nodes);
  EXPECT_EQ(print(m), R"(graph "g" {
  input x: f32[2,3]
  const w_real: f32[3,2] = {0.25, 1, -0.75, 2, 1.25, 3}
  y: f32[2,2] = MatMul(x, w_real)
  output y
}
at input 0: static {uint8 0 255 scale f32[]{0.5} zero u8[]{7}}
at 0 input 1: static {int8 -128 127 channel 1 scale f32[2]{0.25, 0.5}} codes i8[3,2]{1, 2, -3, 4, 5, 6}
)");
  const Tensor x = Tensor::of<float>({2, 3}, std::vector<float>{0.3f, -2, 9, 1, 100, -100});
  EXPECT_TRUE(identical(run(nodes, x), run(materialise(m), x)));
}

TEST(IntegerProducts, AFactorWithoutAWeightScaleStays) {
  FoldReport report;
  Model m = parse_model(product("[] = {1.96}"));  // between two neighbouring floats times 1.9
  m.graph.value(m.graph.nodes[0].inputs[1]).constant = Tensor::of<float>({}, std::vector<float>{1.9f});
  m = fold(m, &report);
  ASSERT_EQ(report.kept.size(), 1u);
  EXPECT_EQ(report.kept[0], "node #2 (MatMulInteger): its factor is no product of its activation's scale");
}

// ONNX Runtime's quantized embedding: rows are gathered as codes, which the product reads as they are.
TEST(IntegerProducts, RowsOfAQuantizedTable) {
  const Model nodes = parse_model(R"(graph "g" {
  input ids: i64[2]
  const e: u8[3,2] = {10, 20, 30, 40, 50, 60}
  const se: f32[] = {0.5}
  const ze: u8[] = {30}
  const w: i8[2,2] = {1, 2, -3, 4}
  const sw: f32[2] = {0.25, 0.75}
  rows: u8[2,2] = Gather(e, ids)
  i: i32[2,2] = MatMulInteger(rows, w, ze)
  c: f32[2,2] = Cast(i) to=1
  m: f32[2] = Mul(se, sw)
  y: f32[2,2] = Mul(c, m)
  output y
})");
  const Model m = fold(nodes);
  ASSERT_EQ(m.graph.nodes.size(), 2u);
  const Node &gather = m.graph.nodes[0], &product = m.graph.nodes[1];
  const Entry *table = m.quantization.find({gather.id, Side::input, 0}), *rows = m.quantization.find({gather.id, Side::output, 0});
  ASSERT_TRUE(table && rows && rows->chain.size() == 1);
  EXPECT_TRUE(identical(table->codes, *nodes.graph.constant(nodes.graph.nodes[0].inputs[0])));
  EXPECT_TRUE(same_grid(table->chain[0], rows->chain[0]));
  EXPECT_TRUE(m.quantization.find({product.id, Side::input, 1}));
  const Tensor ids = Tensor::of<int64_t>({2}, std::vector<int64_t>{2, 0});
  EXPECT_TRUE(identical(run(nodes, ids), run(materialise(m), ids)));
  EXPECT_EQ(print(fold(materialise(m))), print(m));
}

}  // namespace
}  // namespace bitwright
