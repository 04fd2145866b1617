#include "calibrate/histogram.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/bins/bins.hpp"

namespace bitwright {
namespace {

constexpr int kLeastExponent = -120;
constexpr size_t kChunk = 4096;

int64_t lattice_index(double v, int exponent) { return static_cast<int64_t>(std::floor(std::ldexp(v, -exponent))); }

// The smallest width at which the range takes at most kBins bins and an index is exact in f32. Monotone in the range.
int exponent_for(float min, float max) {
  const float amax = std::max(std::fabs(min), std::fabs(max));
  int exponent = amax > 0 ? std::max(kLeastExponent, std::ilogb(amax) - 23) : kLeastExponent;
  while (lattice_index(max, exponent) - lattice_index(min, exponent) >= Histogram::kBins) ++exponent;
  return exponent;
}

// So many tables that equal neighbours (the zeros after a ReLU) do not wait for each other's store.
constexpr size_t kTables = 4;

void count_indices(const int32_t* index, size_t n, uint32_t* tables) {
  constexpr auto kTable = static_cast<size_t>(Histogram::kBins);
  size_t i = 0;
  for (; i + kTables <= n; i += kTables)
    for (size_t t = 0; t < kTables; ++t) ++tables[t * kTable + static_cast<size_t>(index[i + t])];
  for (; i < n; ++i) ++tables[index[i]];
}

// The best kernels of this machine.
const BinsRow& kernels() {
  static const BinsRow& row = select_bins();
  return row;
}

// f(indices, how many) for the bins of the values, as many at a time as stay in the first-level cache. Returns how many zeros were
// left out.
template <class F>
uint64_t for_each_index(std::span<const float> values, float inverse_width, int32_t base, F f) {
  std::array<int32_t, kChunk + kScanLanes> index;
  uint64_t left_out = 0;
  for (size_t begin = 0; begin < values.size(); begin += kChunk) {
    const size_t n = std::min(kChunk, values.size() - begin);
    const auto made = static_cast<size_t>(kernels().bins(values.data() + begin, static_cast<int64_t>(n), inverse_width, base, index.data()));
    left_out += n - made;
    f(index.data(), made);
  }
  return left_out;
}

}  // namespace

Scan scan(std::span<const float> values) {
  Scan result;
  ScanLanes lanes{};
  std::fill(std::begin(lanes.low), std::end(lanes.low), result.min);
  std::fill(std::begin(lanes.high), std::end(lanes.high), result.max);
  kernels().scan(values.data(), std::ssize(values), lanes);
  for (size_t lane = 0; lane < kScanLanes; ++lane) {
    result.min = std::min(result.min, lanes.low[lane]);
    result.max = std::max(result.max, lanes.high[lane]);
    result.finite = result.finite && lanes.residue[lane] == 0.0f;
  }
  result.zeros = lanes.zeros;
  return result;
}

void Histogram::add(std::span<const float> values, const Scan& found) {
  if (values.empty()) return;
  cover(found.min, found.max);
  count_ += values.size();
  zeros_ += found.zeros;
  constexpr size_t kMost = size_t{1} << 30;  // the tables apart are of 32 bits
  for (size_t begin = 0; begin < values.size(); begin += kMost) {
    const auto part = values.subspan(begin, std::min(kMost, values.size() - begin));
    part.size() < 2 * static_cast<size_t>(kBins) ? count(part) : count_apart(part);
  }
}

// Of few values, which are not worth tables of their own.
void Histogram::count(std::span<const float> values) {
  const uint64_t zeros = for_each_index(values, inverse_width(), static_cast<int32_t>(base_), [&](const int32_t* index, size_t n) {
    for (size_t i = 0; i < n; ++i) ++counts_[static_cast<size_t>(index[i])];
  });
  if (zeros > 0) counts_[static_cast<size_t>(-base_)] += zeros;
}

// In tables that stay in the caches whatever histogram is filled, and then added to it.
void Histogram::count_apart(std::span<const float> values) {
  constexpr auto kTable = static_cast<size_t>(kBins);
  thread_local std::vector<uint32_t> tables(kTables * kTable);
  const size_t first = bin_of(min_), last = bin_of(max_);
  const uint64_t zeros = for_each_index(values, inverse_width(), static_cast<int32_t>(base_),
                                        [&](const int32_t* index, size_t n) { count_indices(index, n, tables.data()); });
  if (zeros > 0) counts_[static_cast<size_t>(-base_)] += zeros;
  for (size_t t = 0; t < kTables; ++t) {
    uint32_t* table = tables.data() + t * kTable;
    for (size_t i = first; i <= last; ++i) counts_[i] += table[i];
    std::fill(table + first, table + last + 1, 0);
  }
}

float Histogram::inverse_width() const { return static_cast<float>(std::ldexp(1.0, -exponent_)); }
size_t Histogram::bin_of(float v) const { return static_cast<size_t>(lattice_index(v, exponent_) - base_); }

void Histogram::clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  min_ = std::numeric_limits<float>::infinity(), max_ = -min_;
  count_ = 0, zeros_ = 0;
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
  std::vector<uint64_t> moved(kBins);
  const int shift = std::min(exponent - exponent_, 63);
  for (int64_t i = 0; i < kBins && count_ > 0; ++i)
    if (const uint64_t n = counts_[static_cast<size_t>(i)]; n > 0) moved[static_cast<size_t>(((base_ + i) >> shift) - base)] += n;
  counts_ = std::move(moved);
  exponent_ = exponent, base_ = base;
}

void Histogram::merge(const Histogram& other) {
  if (other.empty()) return;
  cover(other.min_, other.max_);
  count_ += other.count_, zeros_ += other.zeros_;
  const int shift = std::min(exponent_ - other.exponent_, 63);
  const size_t first = other.bin_of(other.min_), last = other.bin_of(other.max_);
  const auto bin = [&](size_t i) { return static_cast<size_t>(((other.base_ + static_cast<int64_t>(i)) >> shift) - base_); };
  if (shift == 0) {  // the compiler makes vectors of this
    uint64_t* to = counts_.data() + bin(first);
    for (size_t i = first; i <= last; ++i) to[i - first] += other.counts_[i];
  } else {
    for (size_t i = first; i <= last; ++i) counts_[bin(i)] += other.counts_[i];
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
    result.counts[i] = static_cast<double>(counts_[offset + i]);
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
