// What calibration remembers of one tensor: everything any observer asks for, gathered in one pass over each batch, in
// memory that does not grow with the data. Observers are functions of it, so all of them together cost one pass.
// Infinities and NaN are counted and left out; empty batches change nothing; batches may differ in size.
#pragma once

#include "calibrate/histogram.hpp"
#include "core/tensor.hpp"

namespace bitwright {

/// What to gather; minimum and maximum always are.
struct Needs {
  bool moving_average = false;
  bool histogram = false;
  bool held_out = false;  // every 8th batch goes to a histogram of its own
  bool channels = false;
  bool batch_quantile = false;  // the 0.9999 quantile of the magnitudes of each batch
  Needs operator|(const Needs& o) const {
    return {moving_average || o.moving_average, histogram || o.histogram, held_out || o.held_out, channels || o.channels,
            batch_quantile || o.batch_quantile};
  }
};

/// A minimum and a maximum, or one per channel; min > max: nothing seen.
struct Range {
  std::vector<float> min, max;
};

/// What is seen of one batch. Its parts may be counted apart, on several threads, and put together in any order.
class Tally {
 public:
  explicit Tally(Needs needs = {}, int channel_axis = 1) : needs_(needs), channel_axis_(channel_axis) {}

  /// f32, any shape. Throws Error{mismatch} when the number of channels changes.
  void add(const Tensor& part);
  void add(std::span<const float> part);
  void merge(const Tally& other);
  /// For the next batch.
  void clear();

 private:
  friend class Statistics;
  void add_channels(const Tensor& part);

  Needs needs_;
  int channel_axis_;
  uint64_t count_ = 0, dropped_ = 0;
  float min_ = std::numeric_limits<float>::infinity(), max_ = -std::numeric_limits<float>::infinity();
  Histogram histogram_;
  Range channels_;
};

class Statistics {
 public:
  static constexpr uint64_t kHoldOutEvery = 8;
  static constexpr double kBatchQuantile = 0.9999, kQuantileAveraging = 0.1;

  /// channel_axis: the axis whose indices get a range of their own (may be negative) if needs.channels.
  /// averaging: c of the moving average m += c (x - m), in (0, 1].
  explicit Statistics(Needs needs = {}, int channel_axis = 1, double averaging = 0.01)
      : needs_(needs), channel_axis_(channel_axis), low_(averaging), high_(averaging) {}

  /// One batch: f32, any shape. Throws Error{mismatch} when the number of channels changes.
  void observe(const Tensor& batch);
  void observe(std::span<const float> batch);
  void observe(const Tally& batch);
  /// Empty, for a batch of these statistics.
  Tally tally() const { return Tally(needs_, channel_axis_); }
  /// As if the batches of `later` had come after ours; which batches are held out may differ.
  void merge(const Statistics& later);

  const Needs& needs() const { return needs_; }
  uint64_t count() const { return count_; }      // finite values
  uint64_t dropped() const { return dropped_; }  // infinities and NaN
  uint64_t batches() const { return batches_; }  // with at least one finite value
  float min() const { return min_; }
  float max() const { return max_; }
  float average_min() const { return static_cast<float>(low_.value); }
  float average_max() const { return static_cast<float>(high_.value); }
  float average_quantile() const { return static_cast<float>(quantile_.value); }
  const Range& channels() const { return channels_; }
  /// All values; the part not held out; the part held out (empty before the 8th batch).
  Histogram histogram() const;
  const Histogram& fitted() const { return fitted_; }
  const Histogram& held_out() const { return held_out_; }
  /// Statistics of the fitted part alone, for a choice that is judged on the held-out part.
  Statistics fitted_part() const;

 private:
  // m starts at the first x, then m += c (x - m) (algorithms.md B.2).
  struct Average {
    explicit Average(double c) : weight(c) {}
    void add(double x, uint64_t before);
    void merge(const Average& later, uint64_t before, uint64_t count);
    double weight, value = 0, first = 0;
  };

  Needs needs_;
  int channel_axis_;
  uint64_t count_ = 0, dropped_ = 0, batches_ = 0;
  float min_ = std::numeric_limits<float>::infinity(), max_ = -std::numeric_limits<float>::infinity();
  Average low_, high_, quantile_{kQuantileAveraging};
  Histogram fitted_, held_out_;
  Range channels_;
};

}  // namespace bitwright
