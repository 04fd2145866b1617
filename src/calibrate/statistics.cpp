#include "calibrate/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace bitwright {
namespace {

// The second pass, over the same values for the histogram, finds them in the second-level cache; so many that it is worth
// to count them apart.
constexpr size_t kChunk = size_t{1} << 16;

void widen(float& min, float& max, float by_min, float by_max) { min = std::min(min, by_min), max = std::max(max, by_max); }

// Per channel; all of none is the other.
void widen(Range& all, const Range& by) {
  if (by.min.empty()) return;
  if (all.min.empty()) {
    all = by;
    return;
  }
  if (all.min.size() != by.min.size())
    fail(ErrorCode::mismatch, "a batch with ", by.min.size(), " channels follows batches with ", all.min.size());
  for (size_t i = 0; i < all.min.size(); ++i) widen(all.min[i], all.max[i], by.min[i], by.max[i]);
}

std::vector<float> finite_of(std::span<const float> values) {
  std::vector<float> kept;
  std::copy_if(values.begin(), values.end(), std::back_inserter(kept), [](float v) { return std::isfinite(v); });
  return kept;
}

Scan scan_finite(std::span<const float> values) {
  const Scan found = scan(values);
  return found.finite ? found : scan(finite_of(values));
}

}  // namespace

void Tally::add(const Tensor& part) {
  if (needs_.channels && part.elements() > 0) add_channels(part);
  add(part.values<float>());
}

void Tally::add(std::span<const float> part) {
  for (size_t begin = 0; begin < part.size(); begin += kChunk) {
    std::span<const float> chunk = part.subspan(begin, std::min(kChunk, part.size() - begin));
    Scan found = scan(chunk);
    std::vector<float> kept;
    if (!found.finite) {
      kept = finite_of(chunk);
      dropped_ += chunk.size() - kept.size();
      chunk = kept;
      found = scan(chunk);
    }
    count_ += chunk.size();
    widen(min_, max_, found.min, found.max);
    if (needs_.histogram || needs_.batch_quantile) histogram_.add(chunk, found);
  }
}

void Tally::add_channels(const Tensor& part) {
  const int64_t axis = channel_axis_ < 0 ? channel_axis_ + part.rank() : channel_axis_;
  if (axis < 0 || axis >= part.rank())
    fail(ErrorCode::mismatch, "there is no axis ", channel_axis_, " in a batch of shape ", to_string(part.shape()));
  const auto n = static_cast<size_t>(part.dim(axis));
  const auto inner = static_cast<size_t>(elements_of(std::span(part.shape()).subspan(static_cast<size_t>(axis) + 1)));
  Range found;
  found.min.assign(n, std::numeric_limits<float>::infinity());
  found.max.assign(n, -std::numeric_limits<float>::infinity());
  const auto values = part.values<float>();
  for (size_t run = 0; run * inner < values.size(); ++run) {
    const Scan one = scan_finite(values.subspan(run * inner, inner));
    widen(found.min[run % n], found.max[run % n], one.min, one.max);
  }
  widen(channels_, found);
}

void Tally::merge(const Tally& other) {
  count_ += other.count_, dropped_ += other.dropped_;
  widen(min_, max_, other.min_, other.max_);
  histogram_.merge(other.histogram_);
  widen(channels_, other.channels_);
}

void Tally::clear() {
  histogram_.clear();
  Histogram kept = std::move(histogram_);
  *this = Tally(needs_, channel_axis_);
  histogram_ = std::move(kept);
}

void Statistics::observe(const Tensor& batch) {
  Tally all = tally();
  all.add(batch);
  observe(all);
}

void Statistics::observe(std::span<const float> batch) {
  Tally all = tally();
  all.add(batch);
  observe(all);
}

void Statistics::observe(const Tally& batch) {
  widen(channels_, batch.channels_);
  count_ += batch.count_, dropped_ += batch.dropped_;
  if (!(batch.min_ <= batch.max_)) return;
  if (needs_.histogram) {
    const bool apart = needs_.held_out && batches_ % kHoldOutEvery == kHoldOutEvery - 1;
    (apart ? held_out_ : fitted_).merge(batch.histogram_);
  }
  low_.add(batch.min_, batches_);
  high_.add(batch.max_, batches_);
  if (needs_.batch_quantile) quantile_.add(batch.histogram_.magnitude_quantile(kBatchQuantile), batches_);
  widen(min_, max_, batch.min_, batch.max_);
  ++batches_;
}

void Statistics::Average::add(double x, uint64_t before) {
  if (before == 0) first = value = x;
  value += weight * (x - value);
}

// The average is linear in its start, so starting from our value instead of x1 adds (1 - c)^n (value - x1).
void Statistics::Average::merge(const Average& later, uint64_t before, uint64_t count) {
  if (count == 0) return;
  if (before == 0) {
    *this = later;
  } else {
    value = later.value + std::pow(1 - weight, static_cast<double>(count)) * (value - later.first);
  }
}

void Statistics::merge(const Statistics& later) {
  low_.merge(later.low_, batches_, later.batches_);
  high_.merge(later.high_, batches_, later.batches_);
  quantile_.merge(later.quantile_, batches_, later.batches_);
  widen(min_, max_, later.min_, later.max_);
  count_ += later.count_, dropped_ += later.dropped_, batches_ += later.batches_;
  fitted_.merge(later.fitted_);
  held_out_.merge(later.held_out_);
  widen(channels_, later.channels_);
}

Histogram Statistics::histogram() const {
  Histogram all = fitted_;
  all.merge(held_out_);
  return all;
}

Statistics Statistics::fitted_part() const {
  Statistics part = *this;
  part.held_out_ = {};
  part.min_ = fitted_.min(), part.max_ = fitted_.max();
  return part;
}

}  // namespace bitwright
