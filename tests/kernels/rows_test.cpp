#include "kernels/rows/rows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support.hpp"

namespace bitwright {
namespace {

constexpr RowsFunction kFunctions[] = {RowsFunction::softmax, RowsFunction::layer_norm, RowsFunction::rms_norm, RowsFunction::gelu,
                                       RowsFunction::sigmoid, RowsFunction::swish,      RowsFunction::tanh,     RowsFunction::add};

std::vector<float> run(const RowsRow& row, const std::vector<float>& x, int64_t length, const std::vector<float>& scale,
                       const std::vector<float>& bias) {
  std::vector<float> y(x.size());
  RowsArgs args{.src = x.data(), .dst = y.data(), .length = length, .scale = scale.data(), .epsilon = 1e-5f};
  args.bias = bias.empty() ? nullptr : bias.data();
  args.add = row.function == RowsFunction::add ? x.data() : nullptr;
  row.kernel(args, 0, static_cast<int64_t>(x.size()) / length);
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<float> normal(Random& random, int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) v = static_cast<float>(random.in(-6000, 6000)) / 1000;
  return x;
}

TEST(Rows, TheBitsAreTheSameOnEveryInstructionSet) {
  Random random(seed());
  for (const RowsFunction function : kFunctions)
    for (int64_t length = 1; length < 70; ++length) {
      const auto x = normal(random, 3 * length), scale = normal(random, length), bias = normal(random, length);
      const auto wanted = run(select_rows(function, Isa::ref), x, length, scale, bias);
      for (const RowsRow& row : rows_kernels()) {
        if (row.function != function || !machine_has(row.isa)) continue;
        EXPECT_TRUE(same_bits(run(row, x, length, scale, bias), wanted)) << row.name << " length " << length;
      }
    }
}

TEST(Rows, StridesResidualsAndRangesChangeNoBits) {
  Random random(seed());
  constexpr int64_t kRows = 4, kStride = 50;
  for (const RowsRow& row : rows_kernels()) {
    if (!machine_has(row.isa) || row.function == RowsFunction::softmax) continue;
    for (const int64_t length : {1, 7, 16, 37, 50}) {
      const auto x = normal(random, kRows * kStride), other = normal(random, kRows * kStride), scale = normal(random, kStride);
      std::vector<float> y(x.size(), -9.0f), summed(x);
      const bool sums = row.function == RowsFunction::layer_norm || row.function == RowsFunction::rms_norm || row.function == RowsFunction::add;
      for (size_t i = 0; sums && i < x.size(); ++i) summed[i] += other[i];
      float range[2] = {-0.125f, 0};
      RowsArgs args{.src = x.data(), .dst = y.data(), .length = length, .stride = kStride};
      args.scale = scale.data(), args.epsilon = 1e-5f;
      args.add = sums ? other.data() : nullptr, args.range = range;
      row.kernel(args, 0, kRows);
      float lo = -0.125f, hi = 0;
      for (int64_t r = 0; r < kRows; ++r) {
        const float* from = summed.data() + r * kStride;
        std::vector<float> wanted(from, from + length);
        if (row.function != RowsFunction::add) {
          const RowsArgs one{.src = from, .dst = wanted.data(), .length = length, .scale = scale.data(), .epsilon = 1e-5f};
          row.kernel(one, 0, 1);
        }
        for (int64_t i = 0; i < kStride; ++i) {
          const float got = y[static_cast<size_t>(r * kStride + i)];
          ASSERT_EQ(got, i < length ? wanted[static_cast<size_t>(i)] : -9.0f) << row.name << " length " << length << " at " << i;
          if (i < length) lo = std::min(lo, got), hi = std::max(hi, got);
        }
      }
      EXPECT_EQ(range[0], lo) << row.name << length;
      EXPECT_EQ(range[1], hi) << row.name << length;
    }
  }
}

double exact(RowsFunction function, double x) {
  if (function == RowsFunction::tanh) return std::tanh(x);
  const double sigmoid = 1 / (1 + std::exp(-x));
  if (function == RowsFunction::gelu) return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
  return function == RowsFunction::sigmoid ? sigmoid : x * sigmoid;
}

TEST(Rows, ActivationsAreNearTheExactFunctions) {
  std::vector<float> x;
  for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<float>(i) / 1000);
  for (const RowsFunction function : {RowsFunction::gelu, RowsFunction::sigmoid, RowsFunction::swish, RowsFunction::tanh}) {
    const auto y = run(select_rows(function), x, 1, {}, {});
    for (size_t i = 0; i < x.size(); ++i) {
      const double wanted = exact(function, static_cast<double>(x[i]));
      const double bound = 1e-6 * (function == RowsFunction::gelu ? std::abs(static_cast<double>(x[i])) : std::abs(wanted));
      ASSERT_NEAR(static_cast<double>(y[i]), wanted, bound + 1e-12) << "at " << x[i];
    }
  }
}

TEST(Rows, SoftmaxAndNormsAreNearTheExactOnes) {
  Random random(seed());
  for (const int64_t length : {1, 5, 16, 127, 1000}) {
    const auto x = normal(random, length), scale = normal(random, length), bias = normal(random, length);
    double sum = 0, mean = 0, variance = 0, squares = 0;
    for (const float v : x) sum += std::exp(static_cast<double>(v)), mean += static_cast<double>(v) / static_cast<double>(length);
    for (const float v : x) variance += std::pow(static_cast<double>(v) - mean, 2) / static_cast<double>(length);
    for (const float v : x) squares += std::pow(static_cast<double>(v), 2) / static_cast<double>(length);
    const auto rms = run(select_rows(RowsFunction::rms_norm), x, length, scale, {});
    const auto soft = run(select_rows(RowsFunction::softmax), x, length, scale, bias);
    const auto norm = run(select_rows(RowsFunction::layer_norm), x, length, scale, bias);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto v = static_cast<double>(x[i]);
      EXPECT_NEAR(static_cast<double>(soft[i]), std::exp(v) / sum, 1e-6);
      EXPECT_NEAR(static_cast<double>(rms[i]), v / std::sqrt(squares + 1e-5) * static_cast<double>(scale[i]), 3e-5);
      EXPECT_NEAR(static_cast<double>(norm[i]), (v - mean) / std::sqrt(variance + 1e-5) * static_cast<double>(scale[i]) +
                                                    static_cast<double>(bias[i]), 3e-5);
    }
  }
}

TEST(Rows, ExtremesAreLimitsAndNaNsStay) {
  const float inf = INFINITY, nan = NAN;
  const std::vector<float> x = {-inf, -1000, 1000, inf, nan};
  const auto sigmoid = run(select_rows(RowsFunction::sigmoid), x, 1, {}, {});
  EXPECT_NEAR(sigmoid[0], 0, 1e-30);
  EXPECT_NEAR(sigmoid[1], 0, 1e-30);
  EXPECT_EQ(sigmoid[2], 1);
  EXPECT_EQ(sigmoid[3], 1);
  EXPECT_TRUE(std::isnan(sigmoid[4]));
  const auto gelu = run(select_rows(RowsFunction::gelu), x, 1, {}, {});
  EXPECT_NEAR(gelu[1], 0, 1e-12);
  EXPECT_EQ(gelu[2], 1000);
  EXPECT_TRUE(std::isnan(gelu[4]));
  EXPECT_EQ(run(select_rows(RowsFunction::softmax), {0, -inf, -1e30f}, 3, {}, {}), (std::vector<float>{1, 0, 0}));
}

}  // namespace
}  // namespace bitwright
