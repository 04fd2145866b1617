#include "calibrate/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "calibrate/statistics.hpp"

namespace bitwright {
namespace {

std::vector<float> gaussian(size_t n, unsigned seed, float scale = 1, float shift = 0) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(rng) * scale + shift;
  return values;
}

void add_in_parts(Histogram& histogram, std::span<const float> values, size_t part) {
  for (size_t i = 0; i < values.size(); i += part) {
    const auto chunk = values.subspan(i, std::min(part, values.size() - i));
    histogram.add(chunk, scan(chunk));
  }
}

void expect_same(const Histogram& a, const Histogram& b) {
  EXPECT_EQ(a.count(), b.count());
  EXPECT_EQ(a.zeros(), b.zeros());
  EXPECT_EQ(a.min(), b.min());
  EXPECT_EQ(a.max(), b.max());
  EXPECT_EQ(a.bins().width, b.bins().width);
  EXPECT_EQ(a.bins().first, b.bins().first);
  EXPECT_EQ(a.bins().counts, b.bins().counts);
}

TEST(Scan, FindsExtremesZerosAndWhatIsNotFinite) {
  for (size_t n : {0u, 1u, 15u, 16u, 17u, 1000u}) {
    std::vector<float> values = gaussian(n, 1);
    for (size_t i = 0; i < n; i += 5) values[i] = i % 2 ? 0.0f : -0.0f;
    const Scan found = scan(values);
    EXPECT_TRUE(found.finite);
    EXPECT_EQ(found.zeros, (n + 4) / 5);
    if (n == 0) { EXPECT_GT(found.min, found.max); }
    if (n > 0) { EXPECT_EQ(found.min, *std::min_element(values.begin(), values.end())); }
    if (n > 0) { EXPECT_EQ(found.max, *std::max_element(values.begin(), values.end())); }
    for (const float bad : {INFINITY, -INFINITY, NAN})
      for (size_t at = 0; at < n; at += 7) {
        std::vector<float> broken = values;
        broken[at] = bad;
        EXPECT_FALSE(scan(broken).finite);
      }
  }
}

TEST(Histogram, CountsEveryValueInItsLatticeBin) {
  std::vector<float> values = gaussian(20000, 2, 3, -1);
  Histogram histogram;
  add_in_parts(histogram, values, 777);
  const Histogram::Bins bins = histogram.bins();
  EXPECT_GT(bins.counts.size(), static_cast<size_t>(Histogram::kBins / 2));
  EXPECT_LE(bins.counts.size(), static_cast<size_t>(Histogram::kBins));
  std::vector<double> expected(bins.counts.size());
  for (const float v : values) ++expected[static_cast<size_t>(std::floor(v / bins.width) - static_cast<double>(bins.first))];
  EXPECT_EQ(bins.counts, expected);
}

TEST(Histogram, OrderAndSplittingDoNotMatter) {
  std::vector<float> values = gaussian(30000, 3);
  values[12345] = 800;  // an outlier that makes the bins coarser on the way
  values[50] = -0.0f;
  Histogram whole, parts, single, shuffled;
  add_in_parts(whole, values, values.size());
  add_in_parts(parts, values, 101);
  add_in_parts(single, values, 1);
  std::shuffle(values.begin(), values.end(), std::mt19937(4));
  add_in_parts(shuffled, values, 5000);
  expect_same(whole, parts);
  expect_same(whole, single);
  expect_same(whole, shuffled);
}

TEST(Histogram, MergeIsOneStream) {
  const std::vector<float> a = gaussian(5000, 5, 0.01f), b = gaussian(7000, 6, 20, 100);
  std::vector<float> both = a;
  both.insert(both.end(), b.begin(), b.end());
  Histogram first, second, whole, empty;
  add_in_parts(first, a, 512);
  add_in_parts(second, b, 512);
  add_in_parts(whole, both, 512);
  Histogram forward = first, backward = second;
  forward.merge(second);
  backward.merge(first);
  forward.merge(empty);
  empty.merge(forward);
  expect_same(forward, whole);
  expect_same(backward, whole);
  expect_same(empty, whole);
}

TEST(Histogram, ExtremeValues) {
  for (const std::vector<float>& values :
       {std::vector<float>{0, 0, 0}, {0, 1e-45f, 1}, {-3.4e38f, 3.4e38f}, {5}, {1e-30f, 1e30f}, {16777216, 16777218}}) {
    Histogram whole, one_by_one;
    add_in_parts(whole, values, values.size());
    add_in_parts(one_by_one, values, 1);
    expect_same(whole, one_by_one);
    const auto counts = whole.bins().counts;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0.0), static_cast<double>(values.size()));
  }
}

TEST(Histogram, RebinningKeepsMassAndMovesEdgesByLessThanABin) {
  const std::vector<float> values = gaussian(100000, 7);
  Histogram histogram;
  add_in_parts(histogram, values, 4096);
  const double low = histogram.min(), high = histogram.max();
  const std::vector<double> coarse = histogram.rebinned(low, high, 100);
  EXPECT_NEAR(std::accumulate(coarse.begin(), coarse.end(), 0.0), 1e5, 1e-6);
  const double fine_width = histogram.bins().width;
  double below = 0;
  for (int b = 0; b < 99; ++b) {
    below += coarse[static_cast<size_t>(b)];
    const double edge = low + (high - low) / 100 * (b + 1);
    const auto less = [&](double than) {
      return static_cast<double>(std::count_if(values.begin(), values.end(), [&](float v) { return v < than; }));
    };
    EXPECT_GE(below, less(edge - fine_width) - 1e-6);
    EXPECT_LE(below, less(edge + fine_width) + 1e-6);
  }
  const std::vector<double> magnitudes = histogram.rebinned_magnitudes(10, 64);
  EXPECT_NEAR(std::accumulate(magnitudes.begin(), magnitudes.end(), 0.0), 1e5, 1e-6);
}

TEST(Statistics, DropsWhatIsNotFiniteAndCountsIt) {
  Statistics seen({.moving_average = true, .histogram = true});
  seen.observe(std::vector<float>{1, NAN, 3, INFINITY, -INFINITY});
  EXPECT_EQ(seen.dropped(), 3u);
  EXPECT_EQ(seen.count(), 2u);
  EXPECT_EQ(seen.min(), 1.0f);
  EXPECT_EQ(seen.max(), 3.0f);
  seen.observe(std::vector<float>{NAN});
  seen.observe(std::vector<float>{});
  EXPECT_EQ(seen.batches(), 1u);
  EXPECT_EQ(seen.average_max(), 3.0f);
  EXPECT_EQ(seen.histogram().count(), 2u);
}

// Enough values for tables apart, and an outlier in the last part, by which its bins are coarser than those of the first.
TEST(Statistics, PartsOfABatchInAnyOrderAreTheBatch) {
  const Needs needs{.moving_average = true, .histogram = true, .held_out = true, .channels = true, .batch_quantile = true};
  std::vector<float> values = gaussian(4 * 3 * 20000, 12);
  values.back() = 300;
  values[70000] = INFINITY;
  const Tensor batch = Tensor::of<float>({4, 3, 20000}, values);
  Statistics whole(needs), parts(needs);
  Tally first = parts.tally(), second = parts.tally();
  for (int again = 0; again < 9; ++again) {
    whole.observe(batch);
    first.clear(), second.clear();
    for (const int64_t record : {3, 0, 2, 1})
      (record == 2 ? first : second).add(Tensor::view(DType::f32, {1, 3, 20000}, batch.values<float>().data() + record * 60000));
    first.merge(second);
    parts.observe(first);
  }
  EXPECT_EQ(whole.count(), parts.count());
  EXPECT_EQ(whole.dropped(), parts.dropped());
  EXPECT_EQ(parts.dropped(), 9u);
  EXPECT_EQ(whole.batches(), parts.batches());
  EXPECT_EQ(whole.average_max(), parts.average_max());
  EXPECT_EQ(whole.average_quantile(), parts.average_quantile());
  EXPECT_EQ(whole.channels().min, parts.channels().min);
  EXPECT_EQ(whole.channels().max, parts.channels().max);
  expect_same(whole.fitted(), parts.fitted());
  expect_same(whole.held_out(), parts.held_out());
  EXPECT_EQ(parts.held_out().count(), 239999u);
}

TEST(Statistics, MovingAverageFollowsItsFormulaAndMerges) {
  const std::vector<std::vector<float>> batches = {{-1, 2}, {-3, 1}, {0, 7, 5}, {-2, 2}, {-9, 9}};
  Statistics whole({.moving_average = true}), first({.moving_average = true}), second({.moving_average = true});
  double low = -1, high = 2;
  for (size_t i = 0; i < batches.size(); ++i) {
    whole.observe(batches[i]);
    (i < 2 ? first : second).observe(batches[i]);
    const auto [min, max] = std::minmax_element(batches[i].begin(), batches[i].end());
    if (i > 0) low = 0.99 * low + 0.01 * *min, high = 0.99 * high + 0.01 * *max;
  }
  EXPECT_NEAR(whole.average_min(), low, 1e-6);
  EXPECT_NEAR(whole.average_max(), high, 1e-6);
  first.merge(second);
  EXPECT_NEAR(first.average_min(), low, 1e-6);
  EXPECT_NEAR(first.average_max(), high, 1e-6);
  EXPECT_EQ(first.batches(), 5u);
}

TEST(Statistics, ChannelsAlongAnyAxisWithRaggedBatches) {
  const auto values = gaussian(2 * 3 * 4, 8);
  Statistics second({.channels = true}, 1), last({.channels = true}, -1);
  const Tensor batch = Tensor::of<float>({2, 3, 4}, values);
  for (Statistics* seen : {&second, &last}) {
    seen->observe(batch);
    seen->observe(Tensor(DType::f32, {0, 3, 4}));
    seen->observe(Tensor(DType::f32, {1, 3, 4}));  // zeros
  }
  for (size_t c = 0; c < 3; ++c) {
    float low = 0, high = 0;
    for (size_t n = 0; n < 2; ++n)
      for (size_t i = 0; i < 4; ++i) {
        low = std::min(low, values[n * 12 + c * 4 + i]);
        high = std::max(high, values[n * 12 + c * 4 + i]);
      }
    EXPECT_EQ(second.channels().min[c], low);
    EXPECT_EQ(second.channels().max[c], high);
  }
  EXPECT_EQ(last.channels().min.size(), 4u);
  try {
    second.observe(Tensor(DType::f32, {1, 5, 4}));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "a batch with 5 channels follows batches with 3");
  }
}

}  // namespace
}  // namespace bitwright
