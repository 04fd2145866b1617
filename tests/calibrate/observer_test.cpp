#include "calibrate/observer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "calibrate/clip_search.hpp"
#include "calibrate/norm_search.hpp"

namespace bitwright {
namespace {

std::vector<float> gaussian(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng);
  return values;
}

Scheme scheme_of(std::string_view format, Symmetry symmetry = Symmetry::affine) {
  Scheme scheme{&format_named(format)};
  scheme.symmetry = symmetry;
  scheme.rule = QParamRule::onnxruntime;
  return scheme;
}

constexpr Needs kAll = {.moving_average = true, .histogram = true, .held_out = false, .channels = false, .batch_quantile = true};

Statistics seen_in_parts(std::span<const float> values, size_t part) {
  Statistics seen(kAll);
  for (size_t i = 0; i < values.size(); i += part) seen.observe(values.subspan(i, std::min(part, values.size() - i)));
  return seen;
}

Range observe(const Observer& observer, std::span<const float> values, const Scheme& scheme) {
  return observer.range(seen_in_parts(values, values.size()), scheme, {});
}

TEST(Observers, TheCatalogueIsComplete) {
  std::string names;
  for (const Observer* observer : observers()) names += std::string(observer->name) + " ";
  EXPECT_EQ(names, "auto channel_minmax entropy histogram kth_value lp minmax moving_average_minmax mse percentile ");
  try {
    observer_named("minmx");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "there is no observer 'minmx'; did you mean 'minmax'?");
  }
}

// Every observer, several formats: the range lies within what was seen (with zero), and nothing seen stays nothing.
TEST(ObserverLaws, RangeLiesWithinTheData) {
  std::vector<float> values = gaussian(20000, 1);
  values[7] = 30;
  for (const Observer* observer : observers())
    for (const char* format : {"uint8", "int8", "int4", "uint4", "int2", "int16", "fp16"}) {
      const Range range = observe(*observer, values, scheme_of(format));
      EXPECT_LT(range.min[0], 0) << observer->name << format;
      EXPECT_GE(range.min[0], *std::min_element(values.begin(), values.end())) << observer->name;
      EXPECT_GT(range.max[0], 0) << observer->name;
      EXPECT_LE(range.max[0], 30) << observer->name;
      const Range nothing = observer->range(Statistics(kAll), scheme_of(format), {});
      EXPECT_GT(nothing.min[0], nothing.max[0]) << observer->name;
    }
}

TEST(ObserverLaws, ConstantsAndZerosHaveAUsableGrid) {
  for (const Observer* observer : observers())
    for (const float value : {0.0f, 2.5f, -1e-3f}) {
      const Range range = observe(*observer, std::vector<float>(100, value), scheme_of("uint8"));
      const Grid grid = make_grid(scheme_of("uint8"), range);
      const Tensor x = Tensor::scalar(value);
      EXPECT_NEAR(fake_quantize(x, grid).values<float>()[0], value, std::fabs(value) / 255 + 1e-9) << observer->name;
    }
}

TEST(ObserverLaws, PowersOfTwoScaleExactly) {
  const std::vector<float> values = gaussian(10000, 2);
  for (const Observer* observer : observers())
    for (const char* format : {"uint8", "int4"})
      for (const float factor : {0.03125f, 64.0f}) {
        std::vector<float> scaled = values;
        for (float& v : scaled) v *= factor;
        const Range a = observe(*observer, values, scheme_of(format)), b = observe(*observer, scaled, scheme_of(format));
        EXPECT_EQ(a.min[0] * factor, b.min[0]) << observer->name;
        EXPECT_EQ(a.max[0] * factor, b.max[0]) << observer->name;
      }
}

TEST(ObserverLaws, ShiftMovesTheRangeOfThoseThatKnowNoZero) {
  const std::vector<float> values = gaussian(10000, 3);
  std::vector<float> shifted = values;
  for (float& v : shifted) v += 16;
  for (const char* name : {"minmax", "moving_average_minmax", "percentile", "histogram"}) {
    const Range a = observe(observer_named(name), values, scheme_of("uint8"));
    const Range b = observe(observer_named(name), shifted, scheme_of("uint8"));
    const float bin = 3 * (a.max[0] - a.min[0]) / 2048;
    EXPECT_NEAR(a.min[0] + 16, b.min[0], bin) << name;
    EXPECT_NEAR(a.max[0] + 16, b.max[0], bin) << name;
  }
}

TEST(ObserverLaws, SplittingAndOrderDoNotMatter) {
  std::vector<float> values = gaussian(10000, 4);
  values[9000] = -25;
  const Statistics whole = seen_in_parts(values, values.size()), parts = seen_in_parts(values, 333);
  std::shuffle(values.begin(), values.end(), std::mt19937(5));
  const Statistics shuffled = seen_in_parts(values, 4000);
  for (const Observer* observer : observers()) {
    if (observer->needs.moving_average || observer->needs.batch_quantile) continue;  // its definition depends on batches
    const Range a = observer->range(whole, scheme_of("uint8"), {});
    for (const Statistics* other : {&parts, &shuffled}) {
      const Range b = observer->range(*other, scheme_of("uint8"), {});
      EXPECT_EQ(a.min, b.min) << observer->name;
      EXPECT_EQ(a.max, b.max) << observer->name;
    }
  }
}

TEST(ObserverLaws, MergeIsOneStream) {
  const std::vector<float> values = gaussian(9000, 6);
  const Statistics whole = seen_in_parts(values, 1000);
  Statistics first = seen_in_parts(std::span(values).first(4000), 1000);
  first.merge(seen_in_parts(std::span(values).subspan(4000), 1000));
  for (const Observer* observer : observers()) {
    const Range a = observer->range(whole, scheme_of("int8"), {}), b = observer->range(first, scheme_of("int8"), {});
    EXPECT_NEAR(a.min[0], b.min[0], 1e-6) << observer->name;
    EXPECT_NEAR(a.max[0], b.max[0], 1e-6) << observer->name;
  }
}

// --- histogram -------------------------------------------------------------------------------------------------------

// The error by sampling each source bin finely and taking the nearest target centre.
double sampled_error(std::span<const double> counts, double width, int first, int last, int targets) {
  const double target = width * (last - first + 1) / targets;
  constexpr int kSamples = 400;
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    for (int k = 0; k < kSamples; ++k) {
      const double x = (static_cast<double>(i) - first + (k + 0.5) / kSamples) * width;
      const double centre = (std::clamp(std::floor(x / target), 0.0, targets - 1.0) + 0.5) * target;
      sum += counts[i] / kSamples * (x - centre) * (x - centre);
    }
  return sum;
}

std::vector<double> random_counts(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<double> counts(n);
  for (double& c : counts) c = static_cast<double>(rng() % 50);
  return counts;
}

TEST(NormError, IsTheIntegralOfTheSquaredError) {
  const std::vector<double> counts = random_counts(48, 1);
  for (const int targets : {4, 7, 16})
    for (const auto& [first, last] : {std::pair(0, 47), std::pair(5, 40), std::pair(20, 27), std::pair(0, 3)}) {
      const double exact = norm_error(counts, 0.25, first, last, targets);
      EXPECT_NEAR(exact / sampled_error(counts, 0.25, first, last, targets), 1, 2e-3) << first << " " << last;
    }
}

TEST(NormError, ClosedFormOfEvenDensity) {  // mission.md A1.21: N values over W in n steps cost N (W/n)^2 / 12
  const std::vector<double> counts(2048, 3.0);
  for (const int targets : {16, 256, 2048}) {
    const double width = 0.5, step = 2048 * width / targets;
    EXPECT_NEAR(norm_error(counts, width, 0, 2047, targets) / (3.0 * 2048 * step * step / 12), 1, 1e-9);
  }
  // Clipping to the half [W/4, 3W/4] adds the integral of the distance from the outermost centre.
  const double half = 512, step = half / 256;
  const double inside = 3.0 * 1024 * step * step / 12;
  const double outside = 2 * (3.0 / 0.5) * (std::pow(256 + step / 2, 3) - std::pow(step / 2, 3)) / 3;
  EXPECT_NEAR(norm_error(counts, 0.5, 512, 1535, 256) / (inside + outside), 1, 1e-9);
}

// PyTorch's loop as the text of B.3 gives it, on the sampled error.
BinRange search_by_the_text(const std::vector<double>& h, double width, int targets) {
  const double total = std::accumulate(h.begin(), h.end(), 0.0);
  const auto cumulated = [&](int bin) { return std::accumulate(h.begin(), h.begin() + bin + 1, 0.0); };
  double alpha = 0, beta = 1, best = INFINITY;
  int start = 0, end = static_cast<int>(h.size()) - 1;
  while (alpha < beta) {
    const double next_alpha = alpha + 1e-5, next_beta = beta - 1e-5;
    int l = start, r = end;
    while (l < end && cumulated(l) < next_alpha * total) l = l + 1;
    while (r > start && cumulated(r) > next_beta * total) r = r - 1;
    int new_start = start, new_end = end;
    if (l - start > end - r) {
      new_start = l, alpha = next_alpha;
    } else {
      new_end = r, beta = next_beta;
    }
    if (new_start == start && new_end == end) continue;
    const double error = sampled_error(h, width, new_start, new_end, targets);
    if (error > best) break;
    best = error, start = new_start, end = new_end;
  }
  return {start, end};
}

TEST(NormSearch, FollowsPyTorchsPath) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    std::vector<double> counts(40);
    std::mt19937 rng(seed);
    std::normal_distribution<double> normal(20, 2.0 + seed);
    for (int i = 0; i < 20000; ++i) ++counts[static_cast<size_t>(std::clamp(normal(rng), 0.0, 39.0))];
    const BinRange got = norm_search(counts, 0.1, 8), want = search_by_the_text(counts, 0.1, 8);
    EXPECT_EQ(got.first, want.first) << "seed " << seed;
    EXPECT_EQ(got.last, want.last) << "seed " << seed;
  }
}

TEST(HistogramObserver, KeepsAnEvenRange) {  // B.3
  std::vector<float> values(200000);
  std::mt19937 rng(8);
  std::uniform_real_distribution<float> uniform(-1, 3);
  for (float& v : values) v = uniform(rng);
  const Range range = observe(observer_named("histogram"), values, scheme_of("uint8"));
  EXPECT_NEAR(range.min[0], -1, 0.02);
  EXPECT_NEAR(range.max[0], 3, 0.02);
}

TEST(HistogramObserver, ClipsAFarOutlier) {  // B.3: Gaussian and one value at 50 sigma, 8 bits
  std::vector<float> values = gaussian(100000, 9);
  values.push_back(50);
  const Range range = observe(observer_named("histogram"), values, scheme_of("uint8"));
  EXPECT_LT(range.max[0], 8);
  EXPECT_GT(range.max[0], 3);
  EXPECT_LT(range.min[0], -3);
}

TEST(HistogramObserver, TargetBinsAreTheCodesInUse) {  // 4 bits clip more than PyTorch's fixed 256 bins would
  const std::vector<float> values = gaussian(100000, 10);
  const Statistics seen = seen_in_parts(values, values.size());
  const Observer& observer = observer_named("histogram");
  const Range ours = observer.range(seen, scheme_of("uint4"), {});
  const Range theirs = observer.range(seen, scheme_of("uint4"), {.pytorch_dst_bins = true});
  const Histogram histogram = seen.histogram();
  EXPECT_LT(ours.max[0], 0.9f * theirs.max[0]);
  EXPECT_LT(quantization_error(histogram, scheme_of("uint4"), ours.min[0], ours.max[0]),
            quantization_error(histogram, scheme_of("uint4"), theirs.min[0], theirs.max[0]));
}

// --- percentile ------------------------------------------------------------------------------------------------------

TEST(PercentileObserver, CutsTheOrderedValues) {
  std::vector<float> values = gaussian(100001, 11);
  const Statistics seen = seen_in_parts(values, 1000);
  std::sort(values.begin(), values.end());
  const Observer& observer = observer_named("percentile");
  const float bin = static_cast<float>(seen.histogram().bins().width);
  const Range both = observer.range(seen, scheme_of("uint8"), {.percentile = 99});
  EXPECT_NEAR(both.min[0], values[500], 2 * bin);
  EXPECT_NEAR(both.max[0], values[99500], 2 * bin);
  std::vector<float> magnitudes = values;
  for (float& v : magnitudes) v = std::fabs(v);
  std::sort(magnitudes.begin(), magnitudes.end());
  const Range even = observer.range(seen, scheme_of("int8", Symmetry::symmetric), {.percentile = 99.9});
  EXPECT_NEAR(even.max[0], magnitudes[99900], 2 * bin);
  EXPECT_EQ(even.min[0], -even.max[0]);
  const Range all = observer.range(seen, scheme_of("uint8"), {.percentile = 100});
  EXPECT_EQ(all.min[0], values.front());
  EXPECT_EQ(all.max[0], values.back());
  try {
    observer.range(seen, scheme_of("uint8"), {.percentile = 0.999});
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "a percentile of 0.999 cuts too much; take one above 50, up to 100");
  }
}

// A1.22: k-th smallest magnitude of a batch, k = int(0.9999 N); max = 0.9 max + 0.1 current after the first batch.
TEST(KthValueObserver, AveragesTheBatches) {
  Statistics seen({.batch_quantile = true}), later({.batch_quantile = true});
  double expected = 0;
  for (unsigned batch = 0; batch < 6; ++batch) {
    std::vector<float> values = gaussian(20000, 30 + batch);
    (batch < 4 ? seen : later).observe(values);
    for (float& v : values) v = std::fabs(v);
    std::nth_element(values.begin(), values.begin() + 19997, values.end());
    expected = batch == 0 ? values[19997] : 0.9 * expected + 0.1 * values[19997];
  }
  seen.merge(later);
  const Range range = observer_named("kth_value").range(seen, scheme_of("int8"), {});
  EXPECT_NEAR(range.max[0], expected, 0.01);
  EXPECT_EQ(range.min[0], -range.max[0]);
}

// --- entropy ---------------------------------------------------------------------------------------------------------

// TensorRT's definition bin by bin, as B.6 gives it.
int entropy_by_the_text(std::vector<double> h, int groups) {
  h[0] = h[1];
  double best = INFINITY;
  int best_i = static_cast<int>(h.size());
  for (int i = std::max(128, groups); i <= static_cast<int>(h.size()); ++i) {
    std::vector<double> p(h.begin(), h.begin() + i), sum(static_cast<size_t>(groups)), occupied(sum.size());
    const auto group = [&](int k) { return static_cast<size_t>(static_cast<int64_t>(k) * groups / i); };
    p.back() += std::accumulate(h.begin() + i, h.end(), 0.0);
    for (int k = 0; k < i; ++k) sum[group(k)] += h[static_cast<size_t>(k)], occupied[group(k)] += h[static_cast<size_t>(k)] > 0;
    const double total_p = std::accumulate(p.begin(), p.end(), 0.0), total_q = std::accumulate(sum.begin(), sum.end(), 0.0);
    double kl = 0;
    for (int k = 0; k < i; ++k) {
      const auto at = static_cast<size_t>(k);
      if (p[at] == 0) continue;
      const double q = h[at] > 0 ? sum[group(k)] / occupied[group(k)] : 0;
      kl += p[at] / total_p * std::log((p[at] / total_p) / (q / total_q));
    }
    if (kl <= best + 1e-13) best = std::min(best, kl), best_i = i;
  }
  return best_i;
}

TEST(EntropyObserver, IsTensorRTsDefinition) {
  const Observer& observer = observer_named("entropy");
  for (unsigned seed = 1; seed <= 3; ++seed) {
    std::vector<float> values = gaussian(20000, seed);
    for (float& v : values) v = v * v * v;  // long tails
    const Statistics seen = seen_in_parts(values, 5000);
    const float amax = std::max(-seen.min(), seen.max());
    const int limit = entropy_by_the_text(seen.histogram().rebinned_magnitudes(amax, 2048), 128);
    const Range range = observer.range(seen, scheme_of("int8", Symmetry::symmetric_restricted), {});
    const float wanted = static_cast<float>(amax * (limit / 2048.0));
    EXPECT_EQ(range.max[0], std::min(wanted, seen.max())) << "seed " << seed;
    EXPECT_EQ(range.min[0], std::max(-wanted, seen.min())) << "seed " << seed;
    EXPECT_LT(limit, 2048) << "the test needs data that is clipped";
  }
}

// Away from zero every limit has empty bins below it, and one that keeps a single occupied bin costs nothing by the formula.
TEST(EntropyObserver, KeepsDataThatLieAwayFromZero) {
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values = gaussian(20000, 4);
    for (float& v : values) v = sign * (20 + v);
    const Statistics seen = seen_in_parts(values, 5000);
    for (const char* format : {"uint8", "int8"}) {
      const Range range = observer_named("entropy").range(seen, scheme_of(format), {});
      const float far = sign > 0 ? range.max[0] : -range.min[0];
      const auto kept = std::count_if(values.begin(), values.end(), [&](float v) { return sign * v <= far; });
      EXPECT_GE(kept, 19800) << format << " " << range.min[0] << " ... " << range.max[0];
    }
  }
}

// --- mse, lp, auto ---------------------------------------------------------------------------------------------------

TEST(QuantizationError, IsTheErrorOfTheCodes) {
  std::vector<float> values = gaussian(50000, 12);
  for (size_t i = 0; i < values.size(); i += 2) values[i] = 0;  // zeros have no error
  const Statistics seen = seen_in_parts(values, 4096);
  const Tensor x = Tensor::of<float>({50000}, values);
  for (const char* format : {"uint8", "int4", "int2"})
    for (const double norm : {2.0, 2.4}) {
      const Tensor y = fake_quantize(x, make_grid(scheme_of(format), -2, 3));
      double sum = 0;
      for (size_t i = 0; i < values.size(); ++i)
        sum += std::pow(std::fabs(double{values[i]} - y.values<float>()[i]), norm);
      EXPECT_NEAR(quantization_error(seen.histogram(), scheme_of(format), -2, 3, norm) / (sum / 50000), 1, 0.01)
          << format << norm;
    }
}

// ACIQ's optimum for Gaussian values (B.7): limits c_b sigma and SQNR in dB, for steps of 2 alpha / 2^b.
TEST(MseObserver, MeetsTheGaussianOptimum) {
  const std::vector<float> values = gaussian(400000, 13);
  const Statistics seen = seen_in_parts(values, 10000);
  const double limits[] = {2.5591, 2.9362, 3.2869, 3.6151, 3.9240}, decibels[] = {19.8, 24.8, 29.9, 35.2, 40.6};
  for (int bits = 4; bits <= 8; ++bits) {
    const Scheme scheme = scheme_of("uint" + std::to_string(bits));
    const Range range = observer_named("mse").range(seen, scheme, {});
    const double error = quantization_error(seen.histogram(), scheme, range.min[0], range.max[0]);
    EXPECT_NEAR((range.max[0] - range.min[0]) / 2 / limits[bits - 4], 1, 0.08) << bits;
    EXPECT_NEAR(-10 * std::log10(error), decibels[bits - 4], 0.6) << bits;
  }
}

TEST(MseObserver, IsNeverWorseThanTheOthers) {
  std::vector<float> relu = gaussian(50000, 14), tails = gaussian(50000, 15);
  for (float& v : relu) v = std::max(v, 0.0f);
  for (float& v : tails) v = v * v * v;
  for (const auto& values : {relu, tails})
    for (const char* format : {"uint8", "uint4", "uint2"})
      for (const Symmetry symmetry : {Symmetry::affine, Symmetry::symmetric}) {
        const Scheme scheme = scheme_of(format, symmetry);
        const Statistics seen = seen_in_parts(values, 5000);
        const auto error = [&](const Observer& observer) {
          const Range range = observer.range(seen, scheme, {});
          return quantization_error(seen.histogram(), scheme, range.min[0], range.max[0]);
        };
        const double least = error(observer_named("mse"));
        for (const Observer* observer : observers()) EXPECT_LE(least, 1.02 * error(*observer)) << observer->name << format;
      }
}

TEST(MseObserver, HigherNormsClipLess) {
  std::vector<float> values = gaussian(100000, 16);
  const Range two = observe(observer_named("mse"), values, scheme_of("uint4"));
  const Range more = observe(observer_named("lp"), values, scheme_of("uint4"));
  EXPECT_LT(two.max[0] - two.min[0], more.max[0] - more.min[0]);
}

TEST(AutoObserver, ChoosesTheLeastErrorOnHeldOutBatches) {
  Statistics seen({.moving_average = true, .histogram = true, .held_out = true});
  for (unsigned batch = 0; batch < 24; ++batch) seen.observe(gaussian(5000, 100 + batch));
  EXPECT_EQ(seen.held_out().count(), 15000u);
  EXPECT_EQ(seen.histogram().count(), 120000u);
  for (const char* format : {"uint8", "uint4"}) {
    const Scheme scheme = scheme_of(format);
    const Range range = observer_named("auto").range(seen, scheme, {});
    const double chosen = quantization_error(seen.held_out(), scheme, range.min[0], range.max[0]);
    for (const Observer* observer : observers()) {
      const Range other = observer->range(seen, scheme, {});
      EXPECT_LE(chosen, 1.02 * quantization_error(seen.held_out(), scheme, other.min[0], other.max[0])) << observer->name;
    }
  }
}

// --- constants -------------------------------------------------------------------------------------------------------

TEST(ObserveConstant, EachChannelAndBlockOnItsOwn) {
  std::vector<float> values = gaussian(3 * 2000, 17);
  for (size_t i = 0; i < 2000; ++i) values[2000 + i] *= 16;
  const Tensor weight = Tensor::of<float>({3, 2000}, values);
  Scheme scheme = scheme_of("int4", Symmetry::symmetric_restricted);
  scheme.granularity = Layout::channel;
  const Grid whole = observe_constant(weight, scheme, 0, observer_named("minmax"));
  const Grid clipped = observe_constant(weight, scheme, 0, observer_named("mse"));
  EXPECT_TRUE(same_grid(whole, grid_of_constant(weight, scheme, 0)));
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_LT(clipped.scale.values<float>()[c], 0.9f * whole.scale.values<float>()[c]);
    EXPECT_GT(clipped.scale.values<float>()[c], 0.5f * whole.scale.values<float>()[c]);
  }
  scheme.granularity = Layout::block;
  scheme.block_size = 500;
  EXPECT_EQ(observe_constant(weight, scheme, 1, observer_named("mse")).scale.shape(), (Shape{3, 4}));
}

TEST(MakeGrid, ChannelRangesGoAlongTheirAxis) {
  const Range range = {{-1, -2, 0}, {1, 1, 4}};
  const Grid grid = make_grid(scheme_of("int8", Symmetry::symmetric), range, 1);
  EXPECT_EQ(grid.layout.kind, Layout::channel);
  EXPECT_EQ(grid.scale.shape(), (Shape{3}));
  EXPECT_EQ(grid.scale.values<float>()[1], static_cast<float>(2.0 / 127));
  EXPECT_EQ(make_grid(scheme_of("int8"), range, -1).layout.axis, -1);
}

}  // namespace
}  // namespace bitwright
