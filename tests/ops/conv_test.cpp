// Convolutions, matrix products, poolings, batch normalisation against the definition and hand-made cases.
#include <cmath>

#include "helpers.hpp"
#include "noise.hpp"

namespace bitwright {
namespace {

struct ConvCase {
  Shape x, w;
  int64_t group;
  Ints strides, dilations, pads;
};

// The sum of the definition, tap by tap, in the order the operator promises.
std::vector<float> convolve(const ConvCase& k, const Tensor& x, const Tensor& w, const Tensor& bias, const Shape& out) {
  std::vector<float> y;
  const int64_t channels = k.w[1], per_group = k.w[0] / k.group;
  const auto xs = x.values<float>(), ws = w.values<float>();
  for (int64_t n = 0; n < out[0]; ++n)
    for (int64_t f = 0; f < out[1]; ++f)
      for (int64_t oh = 0; oh < out[2]; ++oh)
        for (int64_t ow = 0; ow < out[3]; ++ow) {
          float sum = 0;
          for (int64_t ch = 0; ch < channels; ++ch)
            for (int64_t a = 0; a < k.w[2]; ++a)
              for (int64_t b = 0; b < k.w[3]; ++b) {
                const int64_t h = oh * k.strides[0] - k.pads[0] + a * k.dilations[0];
                const int64_t v = ow * k.strides[1] - k.pads[1] + b * k.dilations[1];
                if (h < 0 || h >= k.x[2] || v < 0 || v >= k.x[3]) continue;
                const int64_t from = ((n * k.x[1] + f / per_group * channels + ch) * k.x[2] + h) * k.x[3] + v;
                sum += ws[static_cast<size_t>(((f * channels + ch) * k.w[2] + a) * k.w[3] + b)] *
                       xs[static_cast<size_t>(from)];
              }
          y.push_back(sum + bias.values<float>()[static_cast<size_t>(f)]);
        }
  return y;
}

TEST(Conv, EqualsTheDefinitionBitForBit) {
  const ConvCase cases[] = {
      {{1, 3, 7, 9}, {5, 3, 3, 3}, 1, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {{2, 4, 8, 8}, {6, 2, 3, 2}, 2, {2, 1}, {1, 2}, {0, 2, 1, 0}},
      {{1, 6, 9, 11}, {6, 1, 3, 5}, 6, {2, 3}, {2, 1}, {2, 1, 0, 3}},  // depthwise
      {{1, 16, 5, 5}, {4, 16, 1, 1}, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
  };
  for (const ConvCase& k : cases) {
    const Tensor x = noise(k.x, 1, 1), w = noise(k.w, 1, 2), bias = noise({k.w[0]}, 1, 3);
    const auto y = run_op("Conv", {x, w, bias},
                          {{"group", k.group}, {"strides", k.strides}, {"dilations", k.dilations}, {"pads", k.pads}})[0];
    EXPECT_EQ(list<float>(y), convolve(k, x, w, bias, y.shape()));
  }
}

TEST(Conv, OneAndThreeDimensions) {
  expect_near(run_op("Conv", {floats({1, 1, 4}, {1, 2, 3, 4}), floats({1, 1, 2}, {1, -1})}, {{"pads", Ints{1, 0}}})[0],
              {-1, -1, -1, -1});
  expect_near(run_op("Conv", {counting({1, 1, 2, 2, 2}), floats({1, 1, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 1})})[0], {28});
}

TEST(Conv, AutoPadPutsTheOddPixelWhereItSays) {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3}), w = floats({1, 1, 2}, {1, 10});
  expect_near(run_op("Conv", {x, w}, {{"auto_pad", std::string("SAME_UPPER")}})[0], {21, 32, 3});
  expect_near(run_op("Conv", {x, w}, {{"auto_pad", std::string("SAME_LOWER")}})[0], {10, 21, 32});
  expect_near(run_op("Conv", {x, w}, {{"auto_pad", std::string("VALID")}})[0], {21, 32});
}

TEST(Conv, Rejections) {
  const Tensor x(DType::f32, {1, 3, 4, 4}), w(DType::f32, {2, 3, 3, 3});
  EXPECT_EQ(message_of("Conv", {x, Tensor(DType::f32, {2, 4, 3, 3})}),
            "node 'n' (Conv): weights [2,4,3,3] do not fit 3 input channels in 1 groups");
  EXPECT_EQ(message_of("Conv", {x, w}, {{"strides", Ints{0, 1}}}),
            "node 'n' (Conv): strides holds 0, wanted at least 1");
  EXPECT_EQ(message_of("Conv", {x, w}, {{"dilations", Ints{3, 1}}}),
            "node 'n' (Conv): a window of 7 does not fit an input of 4 with pads 0 and 0");
  EXPECT_EQ(message_of("Conv", {Tensor(DType::i32, {1, 3, 4, 4}), w}),
            "node 'n' (Conv): input 0 is i32, wanted f16, bf16, f32 or f64");
}

TEST(Conv, SameBitsWithAnyNumberOfThreads) {
  const Tensor x = noise({2, 8, 33, 29}, 1, 5), w = noise({12, 8, 3, 3}, 1, 6);
  Threads threads(3);
  const Node node = make_node("Conv", 2);
  const std::vector<Tensor> in = {x, w};
  EXPECT_TRUE(identical(evaluate(node, in)[0], evaluate(node, in, &threads)[0]));
}

TEST(MatMul, VectorsAndBatches) {
  const Tensor v = floats({2}, {1, 2}), m = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run_op("MatMul", {v, m})[0].shape(), Shape{3});
  expect_near(run_op("MatMul", {v, m})[0], {9, 12, 15});
  expect_near(run_op("MatMul", {m, floats({3}, {1, 0, -1})})[0], {-2, -2});
  expect_near(run_op("MatMul", {v, v})[0], {5});
  const Tensor batch = run_op("MatMul", {counting({2, 1, 1, 2}), counting({3, 2, 1})})[0];
  EXPECT_EQ(batch.shape(), (Shape{2, 3, 1, 1}));
  expect_near(batch, {1, 3, 5, 3, 13, 23});
  EXPECT_EQ(message_of("MatMul", {m, m}), "node 'n' (MatMul): shapes [2,3] and [2,3] cannot be multiplied");
}

TEST(MatMul, EqualsTheTripleLoopBitForBit) {
  const int64_t m = 13, k = 37, n = 29;
  const Tensor a = noise({m, k}, 1, 1), b = noise({k, n}, 1, 2);
  const auto y = list<float>(run_op("MatMul", {a, b})[0]);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += list<float>(a)[static_cast<size_t>(i * k + p)] * b.values<float>()[static_cast<size_t>(p * n + j)];
      ASSERT_EQ(y[static_cast<size_t>(i * n + j)], sum);
    }
}

TEST(Gemm, TransposesAndScales) {
  const Tensor a = floats({2, 1}, {1, 2}), b = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  expect_near(run_op("Gemm", {a, b, floats({3}, {1, 1, 1})},
                     {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 2.0f}, {"beta", 0.5f}})[0],
              {10.5, 22.5, 34.5});
  EXPECT_EQ(message_of("Gemm", {a, b, floats({2}, {1, 1})}, {{"transA", int64_t{1}}, {"transB", int64_t{1}}}),
            "node 'n' (Gemm): shapes [2] and [1,3] do not broadcast");
}

TEST(Pool, CeilModeDropsAWindowThatStartsInThePadding) {
  const Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const Attributes a = {{"kernel_shape", Ints{1}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}, {"pads", Ints{0, 0}}};
  expect_near(run_op("MaxPool", {x}, a)[0], {1, 3});
  const Attributes b = {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"ceil_mode", int64_t{1}}, {"pads", Ints{1, 1}}};
  expect_near(run_op("AveragePool", {x}, b)[0], {1.5, 3, 4});
  Attributes with_pad = b;
  with_pad["count_include_pad"] = int64_t{1};
  expect_near(run_op("AveragePool", {x}, with_pad)[0], {1, 3, 2});  // the last window has 2 places inside the pads
}

// Values alone are found row by row, values with indices tap by tap.
TEST(Pool, MaxPoolFindsTheSameWithAndWithoutIndices) {
  const Shape shapes[] = {{2, 3, 17}, {2, 3, 9, 11}, {1, 2, 5, 6, 7}};
  for (const Shape& shape : shapes)
    for (const int64_t kernel : {1, 2, 3, 5})
      for (const int64_t stride : {1, 2, 3})
        for (const int64_t dilation : {1, 2})
          for (const int64_t pad : {int64_t{0}, (kernel - 1) / 2})
            for (const int64_t ceil : {0, 1}) {
              const size_t rank = shape.size() - 2;
              if ((kernel - 1) * dilation + 1 > shape[2] + 2 * pad) continue;
              Tensor x = noise(shape, 1, 4);
              x.values<float>()[3] = x.values<float>()[20] = NAN;
              const std::map<std::string, Attribute> a = {{"kernel_shape", Ints(rank, kernel)}, {"strides", Ints(rank, stride)},
                                                          {"dilations", Ints(rank, dilation)},  {"pads", Ints(2 * rank, pad)},
                                                          {"ceil_mode", ceil}};
              EXPECT_TRUE(identical(run_op("MaxPool", {x}, a)[0], run_op("MaxPool", {x}, a, 2)[0]))
                  << to_string(shape) << " kernel " << kernel << " stride " << stride << " dilation " << dilation << " pad " << pad;
            }
}

TEST(Pool, MaxPoolIndices) {
  const Tensor x = floats({1, 1, 2, 3}, {1, 5, 2, 7, 0, 7});
  const Attributes a = {{"kernel_shape", Ints{2, 2}}};
  auto out = run_op("MaxPool", {x}, a, 2);
  expect_near(out[0], {7, 7});
  EXPECT_EQ(list<int64_t>(out[1]), (Ints{3, 5}));
  Attributes columns = a;
  columns["storage_order"] = int64_t{1};
  EXPECT_EQ(list<int64_t>(run_op("MaxPool", {x}, columns, 2)[1]), (Ints{1, 5}));
  EXPECT_EQ(list<int8_t>(run_op("MaxPool", {tensor<int8_t>({1, 1, 2}, {-3, -2})}, {{"kernel_shape", Ints{2}}})[0]),
            (std::vector<int8_t>{-2}));
  EXPECT_EQ(message_of("MaxPool", {x}), "node 'n' (MaxPool): kernel_shape is missing");
}

TEST(Pool, GlobalForms) {
  const Tensor x = floats({1, 2, 2, 2}, {1, 2, 3, 6, -1, -2, -3, -4});
  expect_near(run_op("GlobalAveragePool", {x})[0], {3, -2.5});
  expect_near(run_op("GlobalMaxPool", {x})[0], {6, -1});
  expect_near(run_op("GlobalLpPool", {x}, {{"p", int64_t{1}}})[0], {12, 10});
  EXPECT_EQ(run_op("GlobalAveragePool", {x})[0].shape(), (Shape{1, 2, 1, 1}));
}

TEST(BatchNorm, InferenceAndTraining) {
  const Tensor x = floats({1, 2, 2}, {1, 3, 2, 6}), one = floats({2}, {1, 2}), zero = floats({2}, {0, 1});
  const Tensor mean = floats({2}, {1, 2}), variance = floats({2}, {4, 16});
  expect_near(run_op("BatchNormalization", {x, one, zero, mean, variance}, {{"epsilon", 0.0f}})[0], {0, 1, 1, 3});
  const auto out = run_op("BatchNormalization", {x, one, zero, mean, variance},
                          {{"epsilon", 0.0f}, {"training_mode", int64_t{1}}, {"momentum", 0.5f}}, 3);
  expect_near(out[0], {-1, 1, -1, 3});
  expect_near(out[1], {1.5, 3});
  expect_near(out[2], {2.5, 10});
  EXPECT_EQ(message_of("BatchNormalization", {x, one, zero, mean, floats({1}, {1})}),
            "node 'n' (BatchNormalization): input 4 has shape [1], wanted [2]");
}

}  // namespace
}  // namespace bitwright
