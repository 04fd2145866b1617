#include "calibrate/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace bitwright {
namespace {

// Small enough that the second pass, over the same values for the histogram, finds them in the first-level cache.
constexpr size_t kChunk = 4096;

void widen(float& min, float& max, const Scan& found) {
  min = std::min(min, found.min), max = std::max(max, found.max);
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

void Statistics::observe(const Tensor& batch) {
  if (needs_.channels && batch.elements() > 0) observe_channels(batch);
  observe(batch.values<float>());
}

void Statistics::observe(std::span<const float> batch) {
  Histogram& histogram = needs_.held_out && batches_ % kHoldOutEvery == kHoldOutEvery - 1 ? held_out_ : fitted_;
  Scan all;
  Histogram alone;  // of this batch
  for (size_t begin = 0; begin < batch.size(); begin += kChunk) {
    std::span<const float> chunk = batch.subspan(begin, std::min(kChunk, batch.size() - begin));
    Scan found = scan(chunk);
    std::vector<float> kept;
    if (!found.finite) {
      kept = finite_of(chunk);
      dropped_ += chunk.size() - kept.size();
      chunk = kept;
      found = scan(chunk);
    }
    count_ += chunk.size();
    widen(all.min, all.max, found);
    if (needs_.histogram) histogram.add(chunk, found);
    if (needs_.batch_quantile) alone.add(chunk, found);
  }
  if (all.min <= all.max) end_batch(all.min, all.max, alone);
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

void Statistics::end_batch(float batch_min, float batch_max, const Histogram& batch) {
  low_.add(batch_min, batches_);
  high_.add(batch_max, batches_);
  if (needs_.batch_quantile) quantile_.add(batch.magnitude_quantile(kBatchQuantile), batches_);
  min_ = std::min(min_, batch_min), max_ = std::max(max_, batch_max);
  ++batches_;
}

void Statistics::observe_channels(const Tensor& batch) {
  const int64_t axis = channel_axis_ < 0 ? channel_axis_ + batch.rank() : channel_axis_;
  if (axis < 0 || axis >= batch.rank())
    fail(ErrorCode::mismatch, "there is no axis ", channel_axis_, " in a batch of shape ", to_string(batch.shape()));
  const int64_t channels = batch.dim(axis), inner = elements_of(std::span(batch.shape()).subspan(static_cast<size_t>(axis) + 1));
  const auto n = static_cast<size_t>(channels);
  if (channels_.min.empty()) {
    channels_.min.assign(n, std::numeric_limits<float>::infinity());
    channels_.max.assign(n, -std::numeric_limits<float>::infinity());
  }
  if (channels_.min.size() != n)
    fail(ErrorCode::mismatch, "a batch with ", n, " channels follows batches with ", channels_.min.size());
  const auto values = batch.values<float>();
  for (size_t run = 0; run * static_cast<size_t>(inner) < values.size(); ++run) {
    const auto found = scan_finite(values.subspan(run * static_cast<size_t>(inner), static_cast<size_t>(inner)));
    widen(channels_.min[run % n], channels_.max[run % n], found);
  }
}

void Statistics::merge(const Statistics& later) {
  low_.merge(later.low_, batches_, later.batches_);
  high_.merge(later.high_, batches_, later.batches_);
  quantile_.merge(later.quantile_, batches_, later.batches_);
  min_ = std::min(min_, later.min_), max_ = std::max(max_, later.max_);
  count_ += later.count_, dropped_ += later.dropped_, batches_ += later.batches_;
  fitted_.merge(later.fitted_);
  held_out_.merge(later.held_out_);
  if (channels_.min.empty()) {
    channels_ = later.channels_;
  } else if (!later.channels_.min.empty()) {
    BW_CHECK(channels_.min.size() == later.channels_.min.size());
    for (size_t i = 0; i < channels_.min.size(); ++i) {
      channels_.min[i] = std::min(channels_.min[i], later.channels_.min[i]);
      channels_.max[i] = std::max(channels_.max[i], later.channels_.max[i]);
    }
  }
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
