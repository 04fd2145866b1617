// Recurrent cells, normalisations, attention, transposed convolution: hand-made cases with simple numbers; the ONNX node
// tests cover the options.
#include <cmath>

#include "helpers.hpp"

namespace bitwright {
namespace {

float sigmoid(float v) { return 1 / (1 + std::exp(-v)); }

TEST(Recurrent, LstmOfOneUnitByHand) {
  // Gates i, o, f, c with input weights 1, 2, 3, 4 and recurrent weights 0.5.
  const Tensor x = floats({2, 1, 1}, {0.1f, -0.2f}), w = floats({1, 4, 1}, {1, 2, 3, 4});
  const Tensor r = floats({1, 4, 1}, {0.5f, 0.5f, 0.5f, 0.5f});
  float h = 0, cell = 0;
  std::vector<float> want;
  for (const float v : {0.1f, -0.2f}) {
    const float i = sigmoid(v + 0.5f * h), o = sigmoid(2 * v + 0.5f * h), f = sigmoid(3 * v + 0.5f * h);
    cell = f * cell + i * std::tanh(4 * v + 0.5f * h);
    h = o * std::tanh(cell);
    want.push_back(h);
  }
  const auto out = run_op("LSTM", {x, w, r}, {{"hidden_size", int64_t{1}}}, 3);
  EXPECT_EQ(out[0].shape(), (Shape{2, 1, 1, 1}));
  expect_near(out[0], want);
  expect_near(out[1], {h});
  expect_near(out[2], {cell});
}

TEST(Recurrent, SequenceLengthsFreezeTheStateAndZeroTheRest) {
  const Tensor x = floats({2, 2, 1}, {1, 2, 3, 4}), one = floats({1, 1, 1}, {1}), zero = floats({1, 1, 1}, {0});
  const Attributes linear = {{"activations", std::vector<std::string>{"Affine"}}, {"hidden_size", int64_t{1}}};
  const auto out = run_op("RNN", {x, one, zero, Tensor(), tensor<int32_t>({2}, {1, 2})}, linear, 2);
  expect_near(out[0], {1, 2, 0, 4});
  expect_near(out[1], {1, 4});
}

TEST(Recurrent, ReverseStartsAtTheEndOfEachSequence) {
  const Tensor x = floats({3, 1, 1}, {1, 2, 4}), one = floats({1, 1, 1}, {1});
  Attributes a = {{"activations", std::vector<std::string>{"Affine"}}, {"direction", std::string("reverse")}};
  expect_near(run_op("RNN", {x, one, one}, a, 2)[0], {7, 6, 4});
  expect_near(run_op("RNN", {x, one, one, Tensor(), tensor<int32_t>({1}, {2})}, a, 2)[0], {3, 2, 0});
}

TEST(Recurrent, Rejections) {
  const Tensor x(DType::f32, {2, 1, 3}), w(DType::f32, {1, 8, 3}), r(DType::f32, {1, 8, 2});
  EXPECT_EQ(message_of("LSTM", {x, w, Tensor(DType::f32, {1, 8, 3})}),
            "node 'n' (LSTM): R has shape [1,8,3], wanted [1,8,2]");
  EXPECT_EQ(message_of("LSTM", {x, w, r}, {{"activations", std::vector<std::string>{"Sigmoid", "Tanh", "Sine"}}}),
            "node 'n' (LSTM): activation 'sine' is not known");
}

TEST(Normalization, LayerNormReportsItsMoments) {
  const auto out = run_op("LayerNormalization", {floats({2, 2}, {1, 3, 2, 6}), floats({2}, {1, 2}), floats({2}, {0, 1})},
                          {{"epsilon", 0.0f}}, 3);
  expect_near(out[0], {-1, 3, -1, 3});
  expect_near(out[1], {2, 4});
  expect_near(out[2], {1, 0.5f});
  EXPECT_EQ(out[1].shape(), (Shape{2, 1}));
  expect_near(run_op("RMSNormalization", {floats({2}, {3, 4}), floats({1}, {5})}, {{"epsilon", 0.0f}})[0],
              {15 / std::sqrt(12.5f), 20 / std::sqrt(12.5f)});
  EXPECT_EQ(message_of("LayerNormalization", {floats({2}, {1, 3}), floats({3}, {1, 2, 3})}),
            "node 'n' (LayerNormalization): shapes [3] and [2] do not broadcast");
}

TEST(Normalization, GroupsTakeParametersPerChannelOrGroup) {
  const Tensor x = floats({1, 4, 1}, {1, 3, 10, 30});
  const Attributes a = {{"num_groups", int64_t{2}}, {"epsilon", 0.0f}};
  expect_near(run_op("GroupNormalization", {x, floats({4}, {1, 2, 3, 4}), floats({4}, {0, 0, 0, 1})}, a)[0],
              {-1, 2, -3, 5});
  expect_near(run_op("GroupNormalization", {x, floats({2}, {1, 2}), floats({2}, {0, 1})}, a)[0], {-1, 1, -1, 3});
}

TEST(Attention, CausalWithCacheSharesKeyHeads) {
  // Equal keys give equal weights, so each query's result is the mean of the values it may see.
  const Tensor q(DType::f32, {1, 2, 2, 1}), k(DType::f32, {1, 1, 2, 1}), v = floats({1, 1, 2, 1}, {4, 9});
  const Tensor past_k(DType::f32, {1, 1, 1, 1}), past_v = floats({1, 1, 1, 1}, {2});
  const auto out = run_op("Attention", {q, k, v, Tensor(), past_k, past_v}, {{"is_causal", int64_t{1}}}, 3);
  expect_near(out[0], {3, 5, 3, 5});
  expect_near(out[2], {2, 4, 9});
}

TEST(ConvTranspose, SpreadsEachInputOverItsTaps) {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3}), w = floats({1, 1, 2}, {1, 10});
  expect_near(run_op("ConvTranspose", {x, w}, {{"strides", Ints{2}}})[0], {1, 10, 2, 20, 3, 30});
  expect_near(run_op("ConvTranspose", {x, w}, {{"pads", Ints{1, 1}}})[0], {12, 23});
  expect_near(run_op("ConvTranspose", {x, w}, {{"output_shape", Ints{3}}, {"auto_pad", std::string("SAME_UPPER")}})[0],
              {1, 12, 23});
  EXPECT_EQ(message_of("ConvTranspose", {x, w}, {{"pads", Ints{2, 2}}}),
            "node 'n' (ConvTranspose): the output would have extent 0");
}

TEST(Einsum, DiagonalsTransposesAndBroadcasts) {
  const Tensor m = floats({2, 2}, {1, 2, 3, 4});
  auto eq = [](const char* text) { return Attributes{{"equation", std::string(text)}}; };
  expect_near(run_op("Einsum", {m}, eq("ii->i"))[0], {1, 4});
  expect_near(run_op("Einsum", {m}, eq("ij->ji"))[0], {1, 3, 2, 4});
  expect_near(run_op("Einsum", {m}, eq("ij->"))[0], {10});
  expect_near(run_op("Einsum", {m, m}, eq("ij,jk"))[0], {7, 10, 15, 22});
  expect_near(run_op("Einsum", {m, floats({2}, {1, -1})}, eq("...i,i->..."))[0], {-1, -1});
  expect_near(run_op("Einsum", {m, m, m}, eq("ij,ij,ij->j"))[0], {28, 72});
  EXPECT_EQ(message_of("Einsum", {m}, eq("ijk->i")),
            "node 'n' (Einsum): a term of the equation has 3 axes, its operand the shape [2,2]");
}

}  // namespace
}  // namespace bitwright
