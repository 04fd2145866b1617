#include "kernels/requantize/requantize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support.hpp"

namespace bitwright {
namespace {

RequantizePlan plan(RequantizeProfile profile, float sx, float sw, float sy, int32_t zero, Reach reach) {
  RequantizeSpec spec;
  spec.profile = profile, spec.src_scale = sx, spec.weight_scale = {sw}, spec.dst_scale = sy, spec.zero_point = zero;
  return plan_requantize(spec, {reach});
}

TEST(Requantize, OrtRoundsHalfToEvenBeforeAddingTheZeroPoint) {
  const RequantizePlan p = plan(RequantizeProfile::ort, 0.5f, 1.0f, 1.0f, 3, {-1000, 1000});
  const int32_t wanted[] = {1, 1, 2, 3, 3, 3, 4, 5, 5};  // -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2
  for (int acc = -4; acc <= 4; ++acc) EXPECT_EQ(requantize(p.view(), acc, 0), wanted[acc + 4]) << acc;
}

TEST(Requantize, HugeAccumulatorsSaturate) {
  for (auto profile : {RequantizeProfile::ort, RequantizeProfile::real, RequantizeProfile::tflite}) {
    const RequantizePlan p = plan(profile, 1e6f, 1e6f, 1e-6f, 100, {-10, 10});
    for (int64_t acc : {int64_t{1}, int64_t{1} << 31, std::numeric_limits<int64_t>::max()}) {
      EXPECT_EQ(requantize(p.view(), acc, 0), 255);
      EXPECT_EQ(requantize(p.view(), -acc - 1, 0), 0);
    }
    EXPECT_EQ(requantize(p.view(), 0, 0), 100);
  }
}

// The exact quotient by long double is only right away from ties; on powers of two everything is exact.
TEST(Requantize, RealEqualsHalfEvenOfExactNumbers) {
  const RequantizePlan p = plan(RequantizeProfile::real, 0.25f, 0.5f, 1.0f, 0, {-4000, 4000});
  for (int64_t acc = -4000; acc <= 4000; ++acc) {
    const auto wanted = std::clamp<int64_t>(std::llrint(static_cast<double>(acc) / 8.0), 0, 255);
    ASSERT_EQ(requantize_exact(p.view(), acc, 0), wanted) << acc;
  }
  // 3 * 1.5 / 9 is exactly one half; float32 scales of 3 and 9 give ties that no binary multiplier can represent.
  const RequantizePlan q = plan(RequantizeProfile::real, 3.0f, 1.5f, 9.0f, 0, {0, 600});
  for (int64_t acc = 0; acc <= 500; ++acc)
    ASSERT_EQ(requantize_exact(q.view(), acc, 0), std::min<int64_t>(255, std::llrint(static_cast<double>(acc) / 2.0)))
        << acc;
}

// gemmlowp's own pair of functions, written as in its documentation.
int32_t srdhm(int32_t a, int32_t b) {
  if (a == b && a == std::numeric_limits<int32_t>::min()) return std::numeric_limits<int32_t>::max();
  const int64_t ab = int64_t{a} * b;
  return static_cast<int32_t>((ab + (ab >= 0 ? (1 << 30) : 1 - (1 << 30))) / (int64_t{1} << 31));
}
int32_t rounding_divide(int32_t x, int n) {
  return static_cast<int32_t>(std::floor(x / std::ldexp(1.0, n) + 0.5) -
                              (x < 0 && std::fmod(-x / std::ldexp(1.0, n), 1.0) == 0.5));
}

TEST(Requantize, TfliteIsTwoRoundings) {
  const RequantizePlan p = plan(RequantizeProfile::tflite, 0.0123f, 0.0077f, 0.0991f, 128, {-300000, 300000});
  const RequantizeRatio& m = p.ratio[0];
  EXPECT_GE(m.multiplier, 1 << 30);
  EXPECT_NEAR(std::ldexp(m.multiplier, m.shift - 31), 0.0123 * 0.0077 / 0.0991, 1e-9);
  for (int32_t acc = -300000; acc <= 300000; acc += 7) {
    const int32_t wanted = std::clamp(rounding_divide(srdhm(acc, m.multiplier), -m.shift) + 128, 0, 255);
    ASSERT_EQ(requantize_exact(p.view(), acc, 0), wanted) << acc;
  }
}

// Whatever step was chosen gives the profile's code; tried on every accumulator of a wide range.
TEST(Requantize, TheChosenStepEqualsTheProfileEverywhere) {
  Random random(seed());
  int steps[3] = {};
  for (int i = 0; i < 200; ++i) {
    const auto profile = static_cast<RequantizeProfile>(i % 3);
    const float sx = static_cast<float>(random.in(1, 100000)) * 1e-6f,
                sw = static_cast<float>(random.in(1, 100000)) * 1e-7f;
    const RequantizePlan p =
        plan(profile, sx, sw, sx * 20.0f, static_cast<int32_t>(random.in(0, 255)), {-30000, 30000});
    ++steps[static_cast<int>(p.constants.step)];
    for (int64_t acc = -30000; acc <= 30000; ++acc)
      ASSERT_EQ(requantize(p.view(), acc, 0), requantize_exact(p.view(), acc, 0));
    if (!p.proof.empty()) {
      EXPECT_LE(p.proof[0].evaluations, 510);
    }
  }
  std::cout << "steps taken: f32 " << steps[0] << ", f64 " << steps[1] << ", exact " << steps[2] << "\n";
}

// A wrong multiplier must be caught, at the first accumulator where the codes differ.
TEST(Proof, FindsTheFirstDifference) {
  Random random(seed());
  int differing = 0;
  for (int i = 0; i < 300; ++i) {
    const float sx = static_cast<float>(random.in(1, 100000)) * 1e-6f,
                sw = static_cast<float>(random.in(1, 100000)) * 1e-6f;
    RequantizePlan p =
        plan(RequantizeProfile::real, sx, sw, sx * 20.0f, static_cast<int32_t>(random.in(0, 255)), {-20000, 20000});
    p.constants.step = RequantizeStep::f32;
    if (i % 2) p.m32[0] = std::nextafter(p.m32[0] * (1 + static_cast<float>(random.in(-3, 3)) * 1e-6f), 1.0f);
    const ChannelProof proof = prove_requantize(p.view(), 0, {-20000, 20000});
    int64_t first = -20000;
    while (first <= 20000 && requantize(p.view(), first, 0) == requantize_exact(p.view(), first, 0)) ++first;
    ASSERT_EQ(proof.equal, first > 20000) << sx << " " << sw;
    if (!proof.equal) {
      ASSERT_EQ(proof.first, first);
    }
    differing += !proof.equal;
  }
  EXPECT_GT(differing, 0);
  EXPECT_LT(differing, 300);
}

TEST(Requantize, BadScalesAreErrors) {
  const auto message = [](float sx, float sw, float sy) {
    try {
      plan(RequantizeProfile::ort, sx, sw, sy, 0, {0, 0});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(1, 0, 1), "weight scale is 0; it must be positive and finite");
  EXPECT_EQ(message(-1, 1, 1), "source scale is -1; it must be positive and finite");
  EXPECT_EQ(message(1, 1, std::numeric_limits<float>::infinity()),
            "destination scale is inf; it must be positive and finite");
  EXPECT_EQ(message(1e30f, 1e30f, 1), "the multiplier 1e+30 * 1e+30 / 1 overflows float32");
}

}  // namespace
}  // namespace bitwright
