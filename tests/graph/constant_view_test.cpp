// Codes and grids follow their constant: whatever is done to it, decoding gives the transformed values.
#include <gtest/gtest.h>

#include "graph/rewriter.hpp"

namespace bitwright {
namespace {

ConstantView quantized(Shape shape, const Grid& grid) {
  Tensor x(DType::f32, shape);
  for (size_t i = 0; i < x.values<float>().size(); ++i) x.values<float>()[i] = static_cast<float>(i) * 0.37f - 2;
  const Tensor codes = quantize(x, grid);
  return {dequantize(codes, grid), {When::statically, false, {grid}, codes, 0}};
}
void expect_consistent(const ConstantView& v) {
  verify(v.entry.chain[0], v.entry.codes.shape());
  EXPECT_TRUE(identical(dequantize(v.entry.codes, v.entry.chain[0]), v.values));
}
const Format& int8() { return format_named("int8"); }

TEST(ConstantView, PermutingMovesAxesAndBlocks) {
  const std::vector<float> scales = {0.1f, 0.2f, 0.3f};
  const auto channel = permuted(quantized({2, 3, 4}, channel_grid(int8(), 1, scales)), {2, 0, 1});
  EXPECT_EQ(channel.entry.chain[0].layout.axis, 2);
  expect_consistent(channel);

  Grid block = tensor_grid(int8(), 0.1f);
  block.layout = {Layout::block, -1, 2};
  block.zero = {};
  block.scale = Tensor::of<float>({2, 2}, std::vector<float>{0.1f, 0.2f, 0.3f, 0.4f});
  const auto moved = permuted(quantized({2, 4}, block), {1, 0});
  EXPECT_EQ(moved.entry.chain[0].layout.axis, 0);
  expect_consistent(moved);
}

TEST(ConstantView, ReshapingKeepsAnAxisThatSurvives) {
  const std::vector<float> scales = {0.1f, 0.2f, 0.3f};
  auto v = quantized({3, 4}, channel_grid(int8(), 0, scales));
  ASSERT_TRUE(reshaped(v, {3, 2, 2}));
  expect_consistent(v);
  EXPECT_FALSE(reshaped(v, {2, 6}));
}

TEST(ConstantView, ScalingRowsScalesTheGridAndKeepsTheCodes) {
  auto v = quantized({2, 3}, tensor_grid(int8(), 0.1f, 4));
  const Tensor codes = v.entry.codes;
  ASSERT_TRUE(scaled(v, 1, std::vector<float>{1, 2, 0.5f}));
  EXPECT_TRUE(identical(codes, v.entry.codes));
  EXPECT_EQ(v.entry.chain[0].layout.kind, Layout::channel);
  expect_consistent(v);
  EXPECT_FALSE(scaled(v, 1, std::vector<float>{1, -2, 0.5f}));  // a scale must stay positive
}

}  // namespace
}  // namespace bitwright
