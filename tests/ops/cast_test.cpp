#include <cmath>

#include "helpers.hpp"
#include "ops/convert.hpp"
#include "ops/minifloat.hpp"

namespace bitwright {
namespace {

Attributes to(DType type) { return {{"to", static_cast<int64_t>(type)}}; }

std::vector<double> numbers(const Tensor& t) {
  std::vector<double> values(static_cast<size_t>(t.elements()));
  read_numbers(t, 0, t.elements(), values.data());
  return values;
}

// Every code of every small float is a fixed point of decode and encode.
TEST(SmallFloats, EveryCodeRoundTrips) {
  for (const DType type : {DType::f16, DType::bf16, DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz,
                           DType::f4e2m1}) {
    const SmallFloat& format = *small_float(type);
    for (uint32_t code = 0; code < (1u << bits_of(type)); ++code) {
      const double value = decode_small(format, code);
      if (std::isnan(value)) continue;
      ASSERT_EQ(encode_small(format, value, false), code) << name_of(type) << " " << code;
    }
  }
  for (int code = 0; code < 255; ++code)
    EXPECT_EQ(encode_power(decode_power(static_cast<uint8_t>(code)), PowerRounding::nearest, true), code);
}

TEST(SmallFloats, AgreeWithTheOtherHalf) {
  for (uint32_t code = 0; code < 0x7c00; ++code)
    ASSERT_EQ(decode_small(*small_float(DType::f16), code), static_cast<double>(f16_bits_to_f32(static_cast<uint16_t>(code))));
}

TEST(Cast, TiesSaturationAndNan) {
  // 8.5 lies between 8 and 9: even is 8; 17 between 16 and 18; 1000 is above 448.
  const Tensor x = floats({5}, {8.5f, 17, 1000, -1000, NAN});
  EXPECT_EQ(numbers(run_op("Cast", {floats({3}, {8.5f, 17, 1000})}, to(DType::f8e4m3fn))[0]), (std::vector<double>{8, 16, 448}));
  Attributes loose = to(DType::f8e5m2);
  loose["saturate"] = int64_t{0};
  const auto y = numbers(run_op("Cast", {floats({3}, {1e6f, -1e6f, NAN})}, loose)[0]);
  EXPECT_EQ(y[0], INFINITY);
  EXPECT_EQ(y[1], -INFINITY);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_TRUE(std::isnan(numbers(run_op("Cast", {x}, to(DType::f8e4m3fnuz))[0])[4]));
}

TEST(Cast, IntegersKeepLowBits) {
  EXPECT_EQ(list<int8_t>(run_op("Cast", {tensor<int16_t>({2}, {200, -129})}, to(DType::i8))[0]), (std::vector<int8_t>{-56, 127}));
  EXPECT_EQ(values_as_int(run_op("Cast", {tensor<int8_t>({3}, {7, -8, 9})}, to(DType::i4))[0]), (Ints{7, -8, -7}));
  EXPECT_EQ(values_as_int(run_op("Cast", {tensor<int8_t>({5}, {0, 1, 2, 3, 5})}, to(DType::u2))[0]), (Ints{0, 1, 2, 3, 1}));
  EXPECT_EQ(list<float>(run_op("Cast", {tensor<uint64_t>({1}, {UINT64_MAX})}, to(DType::f32))[0])[0], 0x1p64f);
  EXPECT_EQ(list<bool>(run_op("Cast", {floats({3}, {0.25f, -0.0f, NAN})}, to(DType::boolean))[0]), (std::vector<bool>{true, false, true}));
}

TEST(Cast, FloatsBeyondAnIntegerAreDefined) {
  const auto y = list<int64_t>(run_op("Cast", {floats({3}, {1e30f, -1e30f, NAN})}, to(DType::i64))[0]);
  EXPECT_EQ(y, (Ints{INT64_MAX, INT64_MIN, 0}));
}

TEST(Cast, Strings) {
  const Tensor text = Tensor::of_strings({4}, {" 1.5", "-INF", "nan", "1e-2"});
  const auto y = list<float>(run_op("Cast", {text}, to(DType::f32))[0]);
  EXPECT_EQ(y[0], 1.5f);
  EXPECT_EQ(y[1], -INFINITY);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], 0.01f);
  EXPECT_EQ(run_op("Cast", {floats({1}, {0.1f})}, to(DType::string))[0].strings()[0], "0.1");
  EXPECT_EQ(message_of("Cast", {Tensor::of_strings({1}, {"one"})}, to(DType::f32)),
            "node 'n' (Cast): cannot read 'one' as a number");
  EXPECT_EQ(message_of("Cast", {text}, to(DType::none)), "node 'n' (Cast): cannot cast to type 0");
}

TEST(Cast, LikeAnotherTensor) {
  EXPECT_EQ(run_op("CastLike", {floats({1}, {2.75f}), tensor<int32_t>({}, {0})})[0].values<int32_t>()[0], 2);
}

}  // namespace
}  // namespace bitwright
