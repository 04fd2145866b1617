#include "quant/grid.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quant/pack.hpp"
#include "quant/rounding.hpp"

namespace bitwright {
namespace {

Tensor floats(Shape shape, std::vector<float> values) { return Tensor::of<float>(std::move(shape), values); }

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

// Contract item 2 spelled out in exact arithmetic: the f32 quotient, rounded by its fraction, then shifted and clamped.
int32_t reference_code(float x, float scale, int64_t zero, int64_t qmin, int64_t qmax) {
  const double v = static_cast<double>(x / scale);
  if (std::isinf(v)) return static_cast<int32_t>(v > 0 ? qmax : qmin);
  const double below = std::floor(v), fraction = v - below;
  const bool up = fraction > 0.5 || (fraction == 0.5 && std::fmod(below, 2.0) != 0);
  const double q = below + (up ? 1 : 0) + static_cast<double>(zero);
  return static_cast<int32_t>(std::min<double>(std::max<double>(q, static_cast<double>(qmin)), static_cast<double>(qmax)));
}

TEST(Formats, EveryCodeRoundTrips) {
  for (const Format* format : formats()) {
    if (format->bits > 16) continue;
    for (int64_t code = format->code_min; code <= format->code_max; ++code) {
      const float value = format->decode(static_cast<int32_t>(code));
      if (value == value) { ASSERT_EQ(format->encode(value), code) << format->name; }
    }
  }
}

TEST(Formats, EncodingIsMonotoneAndAtMostHalfAStepOff) {
  for (const Format* format : formats()) {
    if (!format->is_integer || format->bits > 16) continue;
    int32_t last = format->code_min;
    for (double v = format->code_min - 3; v <= format->code_max + 3; v += 0.25) {
      const int32_t code = format->encode(static_cast<float>(v));
      ASSERT_GE(code, last);
      last = code;
      if (v >= format->code_min && v <= format->code_max) { ASSERT_LE(std::fabs(code - v), 0.5) << format->name; }
    }
  }
}

TEST(Formats, TiesGoToEven) {
  const Format& int8 = format_named("int8");
  EXPECT_EQ(int8.encode(0.5f), 0);
  EXPECT_EQ(int8.encode(1.5f), 2);
  EXPECT_EQ(int8.encode(-2.5f), -2);
  EXPECT_EQ(int8.encode(1e30f), 127);
  EXPECT_EQ(int8.encode(-INFINITY), -128);
  EXPECT_EQ(format_named("int32").encode(3e9f), INT32_MAX);
}

TEST(Formats, UnknownNameGetsTheNearest) {
  EXPECT_EQ(message_of([] { format_named("int88"); }), "there is no number format 'int88'; did you mean 'int8'?");
  EXPECT_EQ(find_format("int17"), nullptr);
}

TEST(Formats, OneFormatPerFileType) {
  EXPECT_EQ(format_of(DType::i4)->name, "int4");
  EXPECT_EQ(format_of(DType::u2)->name, "uint2");
  EXPECT_EQ(format_of(DType::u8)->name, "uint8");
  EXPECT_EQ(format_of(DType::i32)->name, "int32");
  EXPECT_EQ(format_of(DType::bf16)->name, "bf16");
  EXPECT_EQ(format_of(DType::i64), nullptr);
}

TEST(Quantize, EqualsTheContractOnRandomAndTiedValues) {
  std::mt19937 rng(7);
  std::uniform_real_distribution<float> exponent(-20, 10), unit(-1, 1);
  for (const char* name : {"int8", "uint8", "int4", "int16", "uint16", "int32"}) {
    const Format& format = format_named(name);
    for (int trial = 0; trial < 50; ++trial) {
      const float scale = trial % 2 ? std::exp2(std::floor(exponent(rng))) : std::exp2(exponent(rng));
      const int32_t zero = format.bits > 16 ? 0 : format.code_min + static_cast<int32_t>(rng() % (1u << format.bits));
      std::vector<float> x;
      for (int i = -300; i < 300; ++i) x.push_back((static_cast<float>(i) + (i % 3 ? 0.5f : unit(rng))) * scale);
      for (const float edge : {INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, 3.4e38f}) x.push_back(edge);
      const auto n = static_cast<int64_t>(x.size());
      const Tensor codes = quantize(floats({n}, x), tensor_grid(format, scale, zero));
      for (int64_t i = 0; i < n; ++i)
        ASSERT_EQ(value_as_int(codes, i),
                  reference_code(x[static_cast<size_t>(i)], scale, zero, format.code_min, format.code_max))
            << name << " scale " << scale << " zero " << zero << " x " << x[static_cast<size_t>(i)];
    }
  }
}

TEST(Quantize, FakeQuantizeIsIdempotentAndKeepsZero) {
  std::mt19937 rng(8);
  std::normal_distribution<float> normal;
  std::vector<float> x(1000);
  for (float& v : x) v = normal(rng);
  x[0] = 0;
  for (const Format* format : formats()) {
    if (format->bits > 16) continue;
    const int32_t zero = format->is_integer ? (format->code_min + format->code_max) / 2 : 0;
    Grid grid = tensor_grid(*format, 0.037f, zero);
    const Tensor once = fake_quantize(floats({10, 100}, x), grid);
    EXPECT_TRUE(identical(once, dequantize(quantize(floats({10, 100}, x), grid), grid))) << format->name;
    EXPECT_EQ(once.values<float>()[0], 0.0f) << format->name;
    if (format->is_integer) { EXPECT_TRUE(identical(once, fake_quantize(once, grid))) << format->name; }
  }
}

TEST(Quantize, ZeroPointsBeyondTheFormatAreExactToo) {  // the textbook range [5, 6]: Z = round(-128 - 5 * 255)
  const Grid grid = tensor_grid(format_named("int8"), 1.0f / 255, -1403);
  EXPECT_EQ(grid.zero.dtype(), DType::i32);
  EXPECT_EQ(values_as_int(quantize(floats({3}, {5.0f, 5.5f, 6.0f}), grid)), (std::vector<int64_t>{-128, -1, 127}));
  const Grid far = tensor_grid(format_named("int8"), 1.0f, 1 << 24);
  EXPECT_EQ(values_as_int(quantize(floats({2}, {-16777216.0f, 0.0f}), far)), (std::vector<int64_t>{0, 127}));
}

TEST(Quantize, NaNIsRefusedWithItsIndex) {
  EXPECT_EQ(message_of([] { quantize(floats({3}, {1, 2, NAN}), tensor_grid(format_named("int8"), 1)); }),
            "the value at index 2 is not a number; it cannot be quantized");
}

TEST(Quantize, WrongParametersAreNamed) {
  const Format& int8 = format_named("int8");
  const std::vector<float> three = {1, 1, 1};
  EXPECT_EQ(message_of([&] { quantize(Tensor(DType::f32, {2, 4}), channel_grid(int8, 1, three)); }),
            "scale has shape [3], a tensor of shape [2,4] with this layout needs [4]");
  EXPECT_EQ(message_of([&] { quantize(Tensor(DType::f32, {2}), channel_grid(int8, 3, three)); }),
            "quantization axis 3 does not exist in shape [2]");
  EXPECT_EQ(message_of([&] { quantize(Tensor(DType::f32, {2}), tensor_grid(int8, 0)); }),
            "scale 0 at index 0 is not a positive finite number");
}

// Each layout against the definition by index.
void expect_layout(const Layout& layout, const Shape& shape) {
  const Shape parameters = parameter_shape(layout, shape);
  Grid grid = tensor_grid(format_named("int8"), 1);
  grid.layout = layout;
  const auto count = static_cast<size_t>(elements_of(parameters));
  std::vector<float> scales(count);
  std::vector<int32_t> zeros(count);
  for (size_t i = 0; i < count; ++i) scales[i] = 0.01f + 0.003f * static_cast<float>(i), zeros[i] = static_cast<int>(i % 11);
  grid.scale = Tensor::of<float>(parameters, scales);
  grid.zero = zero_tensor(*grid.format, parameters, zeros);
  std::mt19937 rng(9);
  std::normal_distribution<float> normal;
  Tensor x(DType::f32, shape);
  for (float& v : x.values<float>()) v = normal(rng);
  const Tensor codes = quantize(x, grid), values = dequantize(codes, grid);
  const Shape strides = strides_of(shape), parameter_strides = strides_of(parameters);
  const auto axis = static_cast<size_t>(layout.axis);
  for (int64_t i = 0; i < x.elements(); ++i) {
    size_t p = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      const int64_t at = i / strides[d] % shape[d];
      if (layout.kind == Layout::block) p += static_cast<size_t>((d == axis ? at / layout.block_size : at) * parameter_strides[d]);
      if (layout.kind == Layout::channel && d == axis) p = static_cast<size_t>(at);
    }
    const int64_t code = value_as_int(codes, i);
    ASSERT_EQ(code, reference_code(x.values<float>()[static_cast<size_t>(i)], scales[p], zeros[p], -128, 127));
    ASSERT_EQ(values.values<float>()[static_cast<size_t>(i)], static_cast<float>(code - zeros[p]) * scales[p]);
  }
}

TEST(Layout, ChannelsAndBlocksFollowTheirIndexDefinition) {
  expect_layout({Layout::channel, 0, 0}, {5, 3, 2, 2});
  expect_layout({Layout::channel, 1, 0}, {4, 7, 3});
  expect_layout({Layout::channel, 1, 0}, {6, 5});
  expect_layout({Layout::block, 1, 4}, {3, 10});  // ragged last block
  expect_layout({Layout::block, 0, 4}, {10, 3});
  expect_layout({Layout::block, 1, 2}, {2, 5, 3});
  expect_layout({Layout::block, 1, 16}, {2, 16});
}

TEST(Layout, NegativeAxisCountsFromTheEnd) {
  EXPECT_EQ(parameter_shape({Layout::block, -1, 32}, Shape{4, 33}), (Shape{4, 2}));
}

TEST(Grid, FloatZeroPointsRoundOnce) {  // PyTorch's per_channel_affine_float_qparams: q = rne(x / s + z)
  Grid grid = tensor_grid(format_named("uint4"), 0.5f);
  grid.zero = Tensor::scalar(2.25f);
  const Tensor codes = quantize(floats({3}, {0.0f, 0.125f, 100.0f}), grid);
  EXPECT_EQ(values_as_int(codes), (std::vector<int64_t>{2, 2, 15}));
  EXPECT_EQ(dequantize(codes, grid).values<float>()[0], -0.125f);
}

TEST(Grid, CodebooksTakeTheNearestLevel) {
  Grid grid = tensor_grid(format_named("uint2"), 2.0f);
  grid.table = floats({4}, {-1.0f, 0.0f, 0.25f, 1.0f});
  const Tensor codes = quantize(floats({4}, {-3.0f, 0.1f, 0.6f, 9.0f}), grid);
  EXPECT_EQ(values_as_int(codes), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(dequantize(codes, grid).values<float>()[2], 0.5f);
}

TEST(Grid, SameGridMeansSameNumbers) {
  const Format& uint8 = format_named("uint8");
  const Grid a = tensor_grid(uint8, 0.5f, 0);
  Grid b = a;
  b.zero = {};
  EXPECT_TRUE(same_grid(a, b));
  b.scale = floats({1}, {0.5f});
  EXPECT_TRUE(same_grid(a, b));
  b.scale = floats({1}, {std::nextafter(0.5f, 1.0f)});
  EXPECT_FALSE(same_grid(a, b));
  EXPECT_FALSE(same_grid(a, tensor_grid(uint8, 0.5f, 1)));
  EXPECT_FALSE(same_grid(a, tensor_grid(format_named("uint7"), 0.5f, 0)));
  b = a;
  b.qmax = 127;
  EXPECT_FALSE(same_grid(a, b));
  const std::vector<float> two = {0.5f, 0.25f};
  EXPECT_FALSE(same_grid(channel_grid(uint8, 0, two), channel_grid(uint8, 1, two)));
}

TEST(Pack, LowBitsFirstAndBack) {
  const Tensor codes = Tensor::of<int8_t>({3}, std::vector<int8_t>{1, -8, 7});
  const Tensor packed = pack(codes, DType::i4);
  EXPECT_EQ(static_cast<int>(packed.raw()[0]), 0x81);
  EXPECT_EQ(static_cast<int>(packed.raw()[1]), 0x07);
  EXPECT_TRUE(identical(unpack(packed), codes));
  const Tensor two = Tensor::of<uint8_t>({5}, std::vector<uint8_t>{3, 0, 1, 2, 3});
  EXPECT_EQ(pack(two, DType::u2).bytes(), 2u);
  EXPECT_TRUE(identical(unpack(pack(two, DType::u2)), two));
  EXPECT_EQ(message_of([&] { pack(codes, DType::i2); }),
            "code -8 at index 1 does not fit i2, which holds -2 to 1");
}

TEST(Pack, DequantizeReadsPackedCodes) {
  const Grid grid = tensor_grid(format_named("int4"), 0.5f, 1);
  const Tensor x = floats({5}, {-4, -1, 0, 1, 3});
  const Tensor codes = quantize(x, grid);
  EXPECT_TRUE(identical(dequantize(pack(codes, DType::i4), grid), dequantize(codes, grid)));
}

}  // namespace
}  // namespace bitwright
