#include "calibrate/histogram.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace bitwright {
namespace {

constexpr int kLeastExponent = -120;
constexpr size_t kLanes = 16;
constexpr size_t kChunk = 4096;

int64_t lattice_index(double v, int exponent) { return static_cast<int64_t>(std::floor(std::ldexp(v, -exponent))); }

// The smallest width at which the range takes at most kBins bins and an index is exact in f32. Monotone in the range.
int exponent_for(float min, float max) {
  const float amax = std::max(std::fabs(min), std::fabs(max));
  int exponent = amax > 0 ? std::max(kLeastExponent, std::ilogb(amax) - 23) : kLeastExponent;
  while (lattice_index(max, exponent) - lattice_index(min, exponent) >= Histogram::kBins) ++exponent;
  return exponent;
}

// The truncation is corrected downwards for negative values: SSE2 has no floor.
void bin_indices(const float* x, int32_t* index, size_t n, float inverse_width, int32_t base) {
  for (size_t i = 0; i < n; ++i) {
    const float t = x[i] * inverse_width;
    const auto truncated = static_cast<int32_t>(t);
    index[i] = truncated - (t < static_cast<float>(truncated)) - base;
  }
}

// Two tables, so that equal neighbours (the zeros after a ReLU) do not wait for each other's store.
void count_indices(const int32_t* index, size_t n, uint64_t* even, uint64_t* odd) {
  size_t i = 0;
  for (; i + 1 < n; i += 2) ++even[index[i]], ++odd[index[i + 1]];
  if (i < n) ++even[index[i]];
}

}  // namespace

Scan scan(std::span<const float> values) {
  std::array<float, kLanes> low, high, residue{};  // lanes, because a float reduction may not be reordered
  std::array<uint32_t, kLanes> zeros{};
  Scan result;
  low.fill(result.min), high.fill(result.max);
  const auto visit = [&](size_t lane, float v) {
    low[lane] = v < low[lane] ? v : low[lane];
    high[lane] = v > high[lane] ? v : high[lane];
    residue[lane] += v - v;  // 0, or NaN from the first value on that is not finite
    zeros[lane] += v == 0.0f;
  };
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) visit(lane, values[i + lane]);
  for (; i < values.size(); ++i) visit(0, values[i]);
  for (size_t lane = 0; lane < kLanes; ++lane) {
    result.min = std::min(result.min, low[lane]);
    result.max = std::max(result.max, high[lane]);
    result.zeros += zeros[lane];
    result.finite = result.finite && residue[lane] == 0.0f;
  }
  return result;
}

void Histogram::add(std::span<const float> values, const Scan& found) {
  if (values.empty()) return;
  cover(found.min, found.max);
  count_ += values.size();
  zeros_ += found.zeros;
  const auto inverse_width = static_cast<float>(std::ldexp(1.0, -exponent_));
  uint64_t* const even = counts_.data();
  for (size_t begin = 0; begin < values.size(); begin += kChunk) {
    std::array<int32_t, kChunk> index;
    const size_t n = std::min(kChunk, values.size() - begin);
    bin_indices(values.data() + begin, index.data(), n, inverse_width, static_cast<int32_t>(base_));
    count_indices(index.data(), n, even, even + kBins);
  }
}

void Histogram::cover(float min, float max) {
  if (min >= min_ && max <= max_) return;
  min_ = std::min(min_, min), max_ = std::max(max_, max);
  const int exponent = exponent_for(min_, max_);
  const int64_t first = lattice_index(min_, exponent), last = lattice_index(max_, exponent);
  if (!counts_.empty() && exponent == exponent_ && first >= base_ && last < base_ + kBins) return;
  relayout(exponent, first - (kBins - (last - first + 1)) / 2);
}

void Histogram::relayout(int exponent, int64_t base) {
  std::vector<uint64_t> moved(2 * kBins);
  const int shift = std::min(exponent - exponent_, 63);
  for (int64_t i = 0; i < kBins && !counts_.empty(); ++i) {
    const auto from = static_cast<size_t>(i);
    const uint64_t n = counts_[from] + counts_[from + kBins];
    if (n) moved[static_cast<size_t>(((base_ + i) >> shift) - base)] += n;
  }
  counts_ = std::move(moved);
  exponent_ = exponent, base_ = base;
}

void Histogram::merge(const Histogram& other) {
  if (other.empty()) return;
  cover(other.min_, other.max_);
  count_ += other.count_, zeros_ += other.zeros_;
  const int shift = std::min(exponent_ - other.exponent_, 63);
  for (int64_t i = 0; i < kBins; ++i) {
    const auto from = static_cast<size_t>(i);
    const uint64_t n = other.counts_[from] + other.counts_[from + kBins];
    if (n) counts_[static_cast<size_t>(((other.base_ + i) >> shift) - base_)] += n;
  }
}

Histogram::Bins Histogram::bins() const {
  Bins result;
  if (empty()) return result;
  result.width = std::ldexp(1.0, exponent_);
  result.first = lattice_index(min_, exponent_);
  const auto n = static_cast<size_t>(lattice_index(max_, exponent_) - result.first + 1);
  const auto offset = static_cast<size_t>(result.first - base_);
  result.counts.resize(n);
  for (size_t i = 0; i < n; ++i)
    result.counts[i] = static_cast<double>(counts_[offset + i] + counts_[offset + i + kBins]);
  return result;
}

namespace {

// Spreads `mass`, lying evenly on [begin, end], over the bins of [low, low + bins.size() * width].
void spread(std::vector<double>& bins, double low, double width, double begin, double end, double mass) {
  const auto last = static_cast<double>(bins.size() - 1);
  const double from = (begin - low) / width, to = (end - low) / width;
  if (to < 0 || from > last + 1) return;
  if (to <= from) {  // a point
    bins[static_cast<size_t>(std::clamp(std::floor(from), 0.0, last))] += mass;
    return;
  }
  const double density = mass / (to - from);
  for (double b = std::max(0.0, std::floor(from)); b <= last && b < to; b += 1)
    bins[static_cast<size_t>(b)] += density * (std::min(to, b + 1) - std::max(from, b));
}

// Where `share` of the mass is reached, in bins.
double position_of(const std::vector<double>& counts, double share) {
  double total = 0, below = 0;
  for (const double n : counts) total += n;
  const double wanted = share * total;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (below + counts[i] >= wanted && counts[i] > 0)
      return static_cast<double>(i) + std::clamp((wanted - below) / counts[i], 0.0, 1.0);
    below += counts[i];
  }
  return static_cast<double>(counts.size());
}

}  // namespace

float Histogram::quantile(double share) const {
  const Bins ours = bins();
  const double at = (static_cast<double>(ours.first) + position_of(ours.counts, share)) * ours.width;
  return std::clamp(static_cast<float>(at), min_, max_);
}

float Histogram::magnitude_quantile(double share) const {
  const float amax = std::max(std::fabs(min_), std::fabs(max_));
  if (amax == 0) return 0;
  const double at = amax * position_of(rebinned_magnitudes(amax, static_cast<int>(kBins)), share) / kBins;
  return std::min(static_cast<float>(at), amax);
}

std::vector<double> Histogram::rebinned(double low, double high, int bins) const {
  std::vector<double> result(static_cast<size_t>(bins));
  const Bins ours = this->bins();
  for (size_t i = 0; i < ours.counts.size(); ++i) {
    if (ours.counts[i] == 0) continue;
    const double begin = static_cast<double>(ours.first + static_cast<int64_t>(i)) * ours.width;
    spread(result, low, (high - low) / bins, std::max<double>(begin, min_), std::min<double>(begin + ours.width, max_),
           ours.counts[i]);
  }
  return result;
}

std::vector<double> Histogram::rebinned_magnitudes(double amax, int bins) const {
  std::vector<double> result = rebinned(0, amax, bins);
  const std::vector<double> negative = rebinned(-amax, 0, bins);
  for (size_t i = 0; i < result.size(); ++i) result[i] += negative[result.size() - 1 - i];
  return result;
}

}  // namespace bitwright
