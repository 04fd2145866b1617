// Q/DQ and the integer operators: values from the definition, every code of every small type, rejections.
#include <cmath>

#include "helpers.hpp"
#include "ops/minifloat.hpp"

namespace bitwright {
namespace {

TEST(QuantizeLinear, RoundsHalfToEvenAndSaturates) {
  const Tensor x = floats({6}, {0.5f, 1.5f, -0.5f, 2.5f, 1000, -1000});
  EXPECT_EQ(list<uint8_t>(run_op("QuantizeLinear", {x, Tensor::scalar(1.0f), Tensor::scalar<uint8_t>(3)})[0]),
            (std::vector<uint8_t>{3, 5, 3, 5, 255, 0}));
  EXPECT_EQ(list<int8_t>(run_op("QuantizeLinear", {x, Tensor::scalar(1.0f), Tensor::scalar<int8_t>(3)})[0]),
            (std::vector<int8_t>{3, 5, 3, 5, 127, -128}));
  const auto wide = run_op("QuantizeLinear", {x, Tensor::scalar(0.01f)}, {{"output_dtype", int64_t{5}}})[0];
  EXPECT_EQ(list<int16_t>(wide), (std::vector<int16_t>{50, 150, -50, 250, 32767, -32768}));
}

TEST(QuantizeLinear, BlocksAndPackedTypes) {
  const Tensor x = floats({2, 3}, {1, 2, 30, -4, 5, -60}), scale = floats({2, 2}, {1, 10, 1, 10});
  const Attributes a = {{"axis", int64_t{1}}, {"block_size", int64_t{2}}, {"output_dtype", int64_t{22}}};
  const Tensor q = run_op("QuantizeLinear", {x, scale}, a)[0];
  EXPECT_EQ(values_as_int(q), (Ints{1, 2, 3, -4, 5, -6}));
  EXPECT_EQ(q.bytes(), 3u);
  EXPECT_EQ(std::to_integer<int>(q.raw()[0]), 0x21);
  expect_near(run_op("DequantizeLinear", {q, scale}, {{"axis", int64_t{1}}, {"block_size", int64_t{2}}})[0],
              {1, 2, 30, -4, 5, -60});
  const Tensor two = run_op("QuantizeLinear", {x, Tensor::scalar(1.0f)}, {{"output_dtype", int64_t{26}}})[0];
  EXPECT_EQ(values_as_int(two), (Ints{1, 1, 1, -2, 1, -2}));
}

TEST(QuantizeLinear, Rejections) {
  const Tensor x(DType::f32, {2, 3});
  EXPECT_EQ(message_of("QuantizeLinear", {x, Tensor(DType::f32, {2})}),
            "node 'n' (QuantizeLinear): the scale has shape [2], wanted [3]");
  EXPECT_EQ(message_of("QuantizeLinear", {x, Tensor::scalar(1.0f)}, {{"output_dtype", int64_t{7}}}),
            "node 'n' (QuantizeLinear): cannot quantize to i64");
  EXPECT_EQ(message_of("DequantizeLinear", {x, Tensor::scalar(1.0f)}),
            "node 'n' (DequantizeLinear): input 0 is f32, wanted codes");
}

TEST(DequantizeLinear, WideIntegersAndChannels) {
  expect_near(run_op("DequantizeLinear", {tensor<int32_t>({2}, {-3, 1 << 24}), Tensor::scalar(0.5f)})[0],
              {-1.5f, 8388608.0f});
  expect_near(run_op("DequantizeLinear", {tensor<uint8_t>({2, 2}, {1, 2, 3, 4}), floats({2}, {1, 2}),
                                          tensor<uint8_t>({2}, {1, 2})}, {{"axis", int64_t{0}}})[0], {0, 1, 2, 4});
}

TEST(DynamicQuantizeLinear, CoversZero) {
  const auto out = run_op("DynamicQuantizeLinear", {floats({3}, {2, 4, 5.1f})}, {}, 3);
  expect_near(out[1], {0.02f});
  EXPECT_EQ(list<uint8_t>(out[2]), (std::vector<uint8_t>{0}));
  EXPECT_EQ(list<uint8_t>(out[0]), (std::vector<uint8_t>{100, 200, 255}));
  EXPECT_EQ(list<float>(run_op("DynamicQuantizeLinear", {floats({2}, {0, 0})}, {}, 3)[1]), (std::vector<float>{1}));
}

TEST(Minifloat, EveryCodeComesBack) {
  for (const DType type : {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f4e2m1}) {
    for (int code = 0; code < 1 << bits_of(type); ++code) {
      const float v = decode_minifloat(type, static_cast<uint8_t>(code));
      if (std::isnan(v)) continue;
      EXPECT_EQ(encode_minifloat(type, v, false), code) << name_of(type);
    }
  }
  EXPECT_EQ(decode_minifloat(DType::f8e4m3fn, 0x7e), 448);
  EXPECT_EQ(decode_minifloat(DType::f8e5m2, 0x7b), 57344);
  EXPECT_EQ(decode_minifloat(DType::f8e4m3fnuz, 0x7f), 240);
  EXPECT_EQ(decode_minifloat(DType::f8e4m3fn, 1), std::ldexp(1.0f, -9));
  EXPECT_EQ(encode_minifloat(DType::f8e4m3fn, 464, false), 0x7e);  // the tie goes to even
  EXPECT_EQ(encode_minifloat(DType::f8e4m3fn, 465, false), 0x7f);
  EXPECT_EQ(encode_minifloat(DType::f8e4m3fn, 465, true), 0x7e);
  EXPECT_EQ(encode_minifloat(DType::f8e5m2, INFINITY, false), 0x7c);
  EXPECT_EQ(encode_minifloat(DType::f8e5m2fnuz, -0.0f, true), 0);
}

TEST(MatMulInteger, ZeroPointsPerRowAndColumn) {
  const Tensor a = tensor<uint8_t>({2, 2}, {1, 2, 3, 4}), b = tensor<int8_t>({2, 2}, {1, -2, 3, -4});
  EXPECT_EQ(list<int32_t>(run_op("MatMulInteger", {a, b})[0]), (std::vector<int32_t>{7, -10, 15, -22}));
  const auto y = run_op("MatMulInteger", {a, b, tensor<uint8_t>({2}, {1, 2}), tensor<int8_t>({2}, {1, -1})})[0];
  EXPECT_EQ(list<int32_t>(y), (std::vector<int32_t>{2, -3, 4, -7}));
  EXPECT_EQ(message_of("MatMulInteger", {a, b, tensor<uint8_t>({3}, {1, 2, 3})}),
            "node 'n' (MatMulInteger): 3 zero points for a tensor [2,2]");
}

TEST(QLinearConv, PadsWithTheZeroPointAndRequantizesPerChannel) {
  const Tensor x = tensor<uint8_t>({1, 1, 3}, {11, 12, 13}), w = tensor<int8_t>({2, 1, 2}, {1, 1, 1, -1});
  const auto y = run_op("QLinearConv",
                        {x, Tensor::scalar(0.5f), Tensor::scalar<uint8_t>(10), w, floats({2}, {1, 2}),
                         tensor<int8_t>({2}, {0, 0}), Tensor::scalar(0.25f), Tensor::scalar<uint8_t>(100),
                         tensor<int32_t>({2}, {10, 0})},
                        {{"pads", Ints{1, 0}}})[0];
  EXPECT_EQ(list<uint8_t>(y), (std::vector<uint8_t>{122, 126, 130, 96, 96, 96}));
}

}  // namespace
}  // namespace bitwright
