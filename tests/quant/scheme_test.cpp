// Worked numbers of the mission documents (reference/mission.md) and the rules of the toolkits.
#include "quant/scheme.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "quant/presets.hpp"
#include "quant/rounding.hpp"
#include "quant/textbook.hpp"

namespace bitwright {
namespace {

Tensor floats(std::vector<float> values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

double mean_squared_error(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.elements(); ++i) sum += std::pow(value_as_double(a, i) - value_as_double(b, i), 2);
  return sum / static_cast<double>(a.elements());
}

void expect_near(const Tensor& got, const std::vector<float>& want, float tolerance) {
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got.values<float>()[i], want[i], tolerance) << "at " << i;
}

Scheme scheme(std::string_view format, Symmetry symmetry, QParamRule rule) {
  Scheme result{&format_named(format)};
  result.symmetry = symmetry;
  result.rule = rule;
  return result;
}

TEST(Textbook, NormalModeReproducesA02) {
  const Tensor x = floats({0.6004f, -1.0151f, 1.1885f, 0.9948f, -0.3187f, -1.1111f, 0.7827f, -1.1217f});
  const QuantizedTensor q = quantize(x, Mode::normal);
  EXPECT_NEAR(q.scale, 0.009059607843, 0x1p-30);  // an ulp of f32
  EXPECT_EQ(q.zero_point, -4);
  EXPECT_EQ(values_as_int(q.int_repr()), (std::vector<int64_t>{62, -116, 127, 106, -39, -127, 82, -128}));
  expect_near(q.dequantize(), {0.5979f, -1.0147f, 1.1868f, 0.9966f, -0.3171f, -1.1143f, 0.7791f, -1.1234f}, 5.1e-5f);
  EXPECT_NEAR(mean_squared_error(x, q.dequantize()), 5.111e-6, 5e-10);
}

TEST(Textbook, ClipModeReproducesA08) {
  const Tensor x = floats({1.4243f, -0.7382f, -1.0199f, 0.6312f, -0.4644f, -1.2151f, 1.1037f, 0.2785f});
  const QuantizedTensor q = quantize(x, Mode::clip);
  EXPECT_NEAR(q.scale, 0.005165166341, 0x1p-31);
  EXPECT_EQ(q.zero_point, -21);
  EXPECT_EQ(values_as_int(q.int_repr()), (std::vector<int64_t>{127, -128, -128, 101, -111, -128, 127, 33}));
  expect_near(q.dequantize(), {0.7644f, -0.5527f, -0.5527f, 0.6301f, -0.4649f, -0.5527f, 0.7644f, 0.2789f}, 1e-4f);
  EXPECT_NEAR(mean_squared_error(x, q.dequantize()), 0.1553, 5e-5);
  EXPECT_NEAR(mean_squared_error(x, quantize(x, Mode::normal).dequantize()), 1.06e-5, 5e-8);
}

TEST(Textbook, EveryWidthFrom2To16) {
  const Tensor x = floats({-1.0f, -0.4f, 0.3f, 2.0f});
  for (int bits = 2; bits <= 16; ++bits) {
    const QuantizedTensor q = quantize(x, Mode::normal, bits);
    EXPECT_EQ(value_as_int(q.int_repr(), 0), -(1 << (bits - 1)));
    EXPECT_EQ(value_as_int(q.int_repr(), 3), (1 << (bits - 1)) - 1);
    for (int i = 0; i < 4; ++i) EXPECT_NEAR(q.dequantize().values<float>()[i], x.values<float>()[i], 1.01 * q.scale);
  }
  EXPECT_EQ(message_of([&] { quantize(x, Mode::normal, 17); }), "there are no integer codes of 17 bits; take 2 to 16");
  EXPECT_EQ(message_of([] { choose_qparams(std::span<const float>(), Mode::normal); }), "an empty vector has no scale");
  EXPECT_EQ(message_of([] { choose_qparams(std::vector<float>{1, NAN}, Mode::normal); }),
            "a vector holding nan has no scale");
}

TEST(Textbook, ConstantVectors) {
  EXPECT_EQ(quantize(floats({0, 0}), Mode::normal).dequantize().values<float>()[1], 0.0f);
  EXPECT_NEAR(quantize(floats({-3, -3}), Mode::normal).dequantize().values<float>()[0], -3.0f, 3.0f / 255);
}

// A1.15: x_q = round(x/s - z), x = s (x_q + z) with z the negative of ours gives the same codes and values.
TEST(Textbook, PlusSignConventionIsTheSameQuantizer) {
  const QParams ours = choose_qparams(-0.7f, 1.9f, scheme("int8", Symmetry::affine, QParamRule::pytorch));
  const QParams plus = plus_convention(ours);
  EXPECT_EQ(plus.zero, -ours.zero);
  for (float x = -1; x < 2.2f; x += 0.0371f) {
    const double code = std::clamp<double>(std::nearbyint(double{x / plus.scale}) - plus.zero, -128, 127);
    EXPECT_EQ(quantize_one(x, ours.scale, ours.zero, -128, 127), static_cast<int32_t>(code));
    EXPECT_EQ(dequantize_one(static_cast<int32_t>(code), ours.scale, ours.zero),
              plus.scale * static_cast<float>(code + plus.zero));
  }
}

// A1.16: float 0 maps to an integer and back to exactly 0, whatever the range.
TEST(ChooseQParams, ZeroIsExactUnderEveryRule) {
  std::mt19937 rng(3);
  std::normal_distribution<float> normal;
  for (const QParamRule rule : {QParamRule::pytorch, QParamRule::onnxruntime, QParamRule::tflite, QParamRule::textbook})
    for (const char* format : {"int8", "uint8", "int4", "uint4", "int2", "uint16"})
      for (const Symmetry symmetry : {Symmetry::affine, Symmetry::symmetric, Symmetry::symmetric_restricted})
        for (int i = 0; i < 200; ++i) {
          const float a = normal(rng) * std::exp(4 * normal(rng)), b = normal(rng) * std::exp(4 * normal(rng));
          const Scheme s = scheme(format, symmetry, rule);
          const QParams q = choose_qparams(std::min(a, b), std::max(a, b), s);
          const CodeRange codes = code_range(s);
          ASSERT_GE(q.zero, codes.qmin);
          ASSERT_LE(q.zero, codes.qmax);
          ASSERT_EQ(dequantize_one(quantize_one(0.0f, q.scale, q.zero, codes.qmin, codes.qmax), q.scale, q.zero), 0.0f);
        }
}

TEST(ChooseQParams, SymmetricExampleA28) {  // 0.1 -> round(127 * 0.1) = 13 -> 0.10236
  Scheme s = scheme("int8", Symmetry::symmetric_restricted, QParamRule::textbook);
  const QParams q = choose_qparams(-1, 1, s);
  EXPECT_EQ(q.scale, 1.0f / 127);
  EXPECT_EQ(q.zero, 0);
  const Grid grid = make_grid(s, -1, 1);
  const Tensor codes = quantize(floats({0.1f}), grid);
  EXPECT_EQ(value_as_int(codes, 0), 13);
  EXPECT_NEAR(dequantize(codes, grid).values<float>()[0], 0.10236f, 5e-6);
}

// A3.5: on skewed data the affine grid has the smaller error, on balanced data it has no advantage.
TEST(ChooseQParams, AffineWinsOnSkewedDataOnly) {
  std::mt19937 rng(4);
  std::normal_distribution<float> normal;
  std::vector<float> balanced(4096), relu(4096);
  for (size_t i = 0; i < balanced.size(); i += 2) balanced[i] = normal(rng), balanced[i + 1] = -balanced[i];
  for (size_t i = 0; i < relu.size(); ++i) relu[i] = std::max(0.0f, balanced[i]);
  const auto error = [](const Tensor& x, std::string_view format, Symmetry symmetry) {
    const auto v = x.values<float>();
    const auto [lo, hi] = std::minmax_element(v.begin(), v.end());
    return mean_squared_error(x, fake_quantize(x, make_grid(scheme(format, symmetry, QParamRule::textbook), *lo, *hi)));
  };
  const Tensor skewed = floats(relu), even = floats(balanced);
  EXPECT_LT(error(skewed, "uint8", Symmetry::affine), 0.5 * error(skewed, "int8", Symmetry::symmetric_restricted));
  EXPECT_NEAR(error(even, "uint8", Symmetry::affine) / error(even, "int8", Symmetry::symmetric_restricted), 1.0, 0.1);
}

TEST(ChooseQParams, RestrictedLeavesTheLowestCodeOut) {  // A3.6, A3.7
  for (int bits = 2; bits <= 16; ++bits) {
    const std::string name = "int" + std::to_string(bits);
    const int32_t most = (1 << (bits - 1)) - 1;
    const Scheme restricted = scheme(name, Symmetry::symmetric_restricted, QParamRule::textbook);
    EXPECT_EQ(code_range(restricted).qmin, -most);
    EXPECT_EQ(code_range(scheme(name, Symmetry::symmetric, QParamRule::textbook)).qmin, -most - 1);
    EXPECT_EQ(choose_qparams(-3, 2, restricted).scale, static_cast<float>(3.0 / most));
    const Tensor codes = quantize(floats({-3, -30, 3}), make_grid(restricted, -3, 2));
    EXPECT_EQ(values_as_int(codes), (std::vector<int64_t>{-most, -most, most}));
  }
}

// A3.9: S = (max - min) / 255, Z = round(-min / S); round(x/S) + Z and round(x/S + Z) differ only at ties.
TEST(ChooseQParams, AsymmetricExampleA39AndItsTies) {
  const QParams q = choose_qparams(-1, 3, scheme("uint8", Symmetry::affine, QParamRule::textbook));
  EXPECT_EQ(q.scale, static_cast<float>(4.0 / 255));
  EXPECT_EQ(q.zero, 64);
  const Format& uint8 = format_named("uint8");
  Grid once = tensor_grid(uint8, 1.0f);
  once.zero = Tensor::scalar(1.0f);
  EXPECT_EQ(value_as_int(quantize(floats({0.5f}), tensor_grid(uint8, 1.0f, 1)), 0), 1);  // rne(0.5) + 1
  EXPECT_EQ(value_as_int(quantize(floats({0.5f}), once), 0), 2);                         // rne(1.5)
  for (int i = -40; i < 1000; ++i) {
    const float x = static_cast<float>(i) * 0.25f;
    const int64_t two = value_as_int(quantize(floats({x}), tensor_grid(uint8, 1.0f, 1)), 0);
    const int64_t one = value_as_int(quantize(floats({x}), once), 0);
    if (std::fabs(x - std::floor(x)) != 0.5f) { EXPECT_EQ(one, two) << x; }
  }
}

// A3.15: static parameters are constants of the calibration; dynamic ones follow each batch.
TEST(ChooseQParams, StaticParametersDoNotFollowTheBatch) {
  const Scheme s = scheme("uint8", Symmetry::affine, QParamRule::onnxruntime);
  const Tensor a = floats({-1, 0.5f, 2}), b = floats({-0.25f, 0.5f, 1});
  const Grid fixed = make_grid(s, -1, 2);
  EXPECT_EQ(value_as_int(quantize(a, fixed), 1), value_as_int(quantize(b, fixed), 1));
  const Grid dynamic_a = grid_of_constant(a, s, 0), dynamic_b = grid_of_constant(b, s, 0);
  EXPECT_TRUE(same_grid(fixed, dynamic_a));
  EXPECT_FALSE(same_grid(dynamic_a, dynamic_b));
}

// A3.18: the input stub of the printed model: inputs in [-1, 1] give 2/127 = 0.0157 and zero point 64.
TEST(Presets, FbgemmInputStub) {
  const QParams q = choose_qparams(-1, 1, preset_named("fbgemm").activation);
  EXPECT_EQ(q.scale, 2.0f / 127);
  EXPECT_EQ(q.zero, 64);
  EXPECT_EQ(code_range(preset_named("fbgemm").activation).qmax, 127);
}

TEST(Presets, KnownNamesAndTheirDifferences) {
  EXPECT_EQ(presets().size(), 8u);
  EXPECT_EQ(code_range(preset_named("qnnpack").activation).qmax, 255);
  EXPECT_EQ(preset_named("qnnpack").weight.granularity, Layout::tensor);
  EXPECT_EQ(preset_named("x86").weight.granularity, Layout::channel);
  EXPECT_FALSE(preset_named("onednn").activation.reduce_range);
  EXPECT_EQ(code_range(preset_named("onnxruntime").weight).qmin, -127);
  EXPECT_EQ(code_range(preset_named("tflite").activation).qmin, -128);
  EXPECT_EQ(message_of([] { preset_named("fbgem"); }), "there is no preset 'fbgem'; did you mean 'fbgemm'?");
}

TEST(ChooseQParams, PyTorchRule) {
  const Scheme weight = scheme("int8", Symmetry::symmetric, QParamRule::pytorch);
  EXPECT_EQ(choose_qparams(-0.5f, 0.25f, weight).scale, 0.5f / 127.5f);
  EXPECT_EQ(choose_qparams(0, 0, weight).scale, 0x1p-23f);
  const Scheme activation = scheme("uint8", Symmetry::affine, QParamRule::pytorch);
  EXPECT_EQ(choose_qparams(0.5f, 1.0f, activation).scale, 1.0f / 255);
  EXPECT_EQ(choose_qparams(0.5f, 1.0f, activation).zero, 0);
  EXPECT_EQ(choose_qparams(-2.0f, -1.0f, activation).zero, 255);
  EXPECT_EQ(choose_qparams(-1, 1, scheme("uint8", Symmetry::symmetric, QParamRule::pytorch)).zero, 128);
  EXPECT_EQ(choose_qparams(1, -1, activation).scale, 1.0f);  // never observed
}

TEST(ChooseQParams, OnnxRuntimeRule) {
  const Scheme weight = scheme("int8", Symmetry::symmetric, QParamRule::onnxruntime);
  EXPECT_EQ(code_range(weight).qmin, -127);
  EXPECT_EQ(choose_qparams(-0.5f, 0.25f, weight).scale, static_cast<float>(1.0 / 254));
  Scheme reduced = scheme("int8", Symmetry::affine, QParamRule::onnxruntime);
  reduced.reduce_range = true;
  EXPECT_EQ(code_range(reduced).qmin, -64);
  EXPECT_EQ(code_range(reduced).qmax, 64);
  EXPECT_EQ(choose_qparams(0, 0, weight).scale, 1.0f);
  EXPECT_EQ(choose_qparams(-1, 1, scheme("uint8", Symmetry::affine, QParamRule::onnxruntime)).zero, 128);
}

TEST(ChooseQParams, TFLiteRoundsHalfAway) {  // -128 + 127.5 = -0.5 goes to -1, where half to even gives 0
  EXPECT_EQ(choose_qparams(-1, 1, scheme("int8", Symmetry::affine, QParamRule::tflite)).zero, -1);
  EXPECT_EQ(choose_qparams(-1, 1, scheme("int8", Symmetry::affine, QParamRule::onnxruntime)).zero, 0);
}

TEST(ChooseQParams, PowerOfTwoScales) {
  Scheme s = scheme("int8", Symmetry::symmetric_restricted, QParamRule::textbook);
  s.power_of_two = PowerOfTwo::ceil;
  EXPECT_EQ(choose_qparams(-1, 1, s).scale, 0x1p-6f);  // 1/127 is above 2^-7
  EXPECT_EQ(choose_qparams(-127.0f / 128, 0, s).scale, 0x1p-7f);
  s.power_of_two = PowerOfTwo::nearest;
  EXPECT_EQ(choose_qparams(-1, 1, s).scale, 0x1p-7f);
  s = scheme("uint8", Symmetry::affine, QParamRule::onnxruntime);
  s.power_of_two = PowerOfTwo::ceil;
  const QParams q = choose_qparams(-1, 2, s);
  EXPECT_EQ(q.scale, 0x1p-6f);
  EXPECT_EQ(q.zero, 64);
}

TEST(ChooseQParams, ExtremeRangesKeepAFiniteNormalScale) {
  for (const QParamRule rule : {QParamRule::pytorch, QParamRule::onnxruntime, QParamRule::tflite, QParamRule::textbook})
    for (const Symmetry symmetry : {Symmetry::affine, Symmetry::symmetric})
      for (const float most : {3.4e38f, 1e-30f, 1e-44f, 0.0f}) {
        const QParams q = choose_qparams(-most, most, scheme("int8", symmetry, rule));
        EXPECT_TRUE(std::isnormal(q.scale) && q.scale > 0);
      }
}

TEST(ChooseQParams, RefusesWhatHasNoMeaning) {
  Scheme s = scheme("int8", Symmetry::affine, QParamRule::pytorch);
  EXPECT_EQ(message_of([&] { choose_qparams(0, INFINITY, s); }), "a range of [0, inf] has no scale");
  s.include_zero = false;
  EXPECT_EQ(message_of([&] { choose_qparams(0, 1, s); }),
            "a range without zero needs the textbook rule; the others keep zero exact");
}

TEST(GridOfConstant, ChannelsAndBlocks) {
  const Tensor w = Tensor::of<float>({2, 4}, std::vector<float>{1, -2, 3, 0.5f, 0, 0.25f, -0.125f, 0});
  Scheme s = scheme("int8", Symmetry::symmetric_restricted, QParamRule::textbook);
  s.granularity = Layout::channel;
  const Grid channel = grid_of_constant(w, s, 0);
  EXPECT_EQ(channel.scale.values<float>()[0], static_cast<float>(3.0 / 127));
  EXPECT_EQ(channel.scale.values<float>()[1], static_cast<float>(0.25 / 127));
  s.granularity = Layout::block;
  s.block_size = 2;
  const Grid block = grid_of_constant(w, s, 1);
  EXPECT_EQ(block.scale.shape(), (Shape{2, 2}));
  EXPECT_EQ(block.scale.values<float>()[3], static_cast<float>(0.125 / 127));
  EXPECT_EQ(value_as_int(quantize(w, block), 6), -127);
  EXPECT_EQ(message_of([&] { grid_of_constant(floats({1, INFINITY}), s, 0); }),
            "the value at index 1 is inf; it cannot be quantized");
}

TEST(GridOfConstant, HalfFloatsHaveNoScale) {
  const Scheme s = scheme("bf16", Symmetry::affine, QParamRule::pytorch);
  const Tensor x = floats({1.0f, 1.00390625f, -3.0e38f});
  const Grid grid = grid_of_constant(x, s, 0);
  EXPECT_TRUE(grid.scale.empty());
  EXPECT_EQ(quantize(x, grid).dtype(), DType::bf16);
  EXPECT_EQ(fake_quantize(x, grid).values<float>()[1], 1.0f);  // a tie, to even
}

}  // namespace
}  // namespace bitwright
