// A streaming histogram of constant size whose content depends only on the values seen, not on their order, their
// batches or the merging of parts. The bins are the intervals [k, k + 1) * 2^e of a lattice anchored at zero; when the
// range outgrows kBins of them, e is raised and neighbours are added, which is exact. The final e is a function of the
// final minimum and maximum alone, so every way of splitting one stream ends in the same counts. (Exception: values
// below 2^-120 in magnitude share the bins around zero.) Between kBins / 2 and kBins bins are in use for spread values.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace bitwright {

/// What one pass over values finds.
struct Scan {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  uint64_t zeros = 0;   // exact zeros of either sign
  bool finite = true;   // false: some value is infinite or not a number; min and max may then be infinite
};

/// One vectorised pass; an empty span gives min > max.
Scan scan(std::span<const float> values);

class Histogram {
 public:
  static constexpr int64_t kBins = 8192;

  /// Counts finite values; `found` is their scan.
  void add(std::span<const float> values, const Scan& found);
  /// As if the values of `other` had been added here.
  void merge(const Histogram& other);
  /// Empty again; the memory stays.
  void clear();

  bool empty() const { return count_ == 0; }
  uint64_t count() const { return count_; }
  uint64_t zeros() const { return zeros_; }
  float min() const { return min_; }  // exact
  float max() const { return max_; }

  /// The bins from the one of min() to the one of max(): bin i counts values in [first + i, first + i + 1) * width.
  struct Bins {
    double width = 0;
    int64_t first = 0;
    std::vector<double> counts;
  };
  Bins bins() const;

  /// Counts in `bins` equal parts of [low, high], the content of each of our bins taken as spread evenly over it (over
  /// its part within [min(), max()] at the ends): an edge is wrong by at most one of our bins, (max - min) / (kBins/2).
  /// What lies outside is left out. low < high.
  std::vector<double> rebinned(double low, double high, int bins) const;
  /// The same for the magnitudes over [0, amax].
  std::vector<double> rebinned_magnitudes(double amax, int bins) const;

  /// The value below which `share` (0 ... 1) of the values lie, right to a bin and never outside [min(), max()].
  float quantile(double share) const;
  /// The same of the magnitudes.
  float magnitude_quantile(double share) const;

 private:
  void cover(float min, float max);
  void relayout(int exponent, int64_t base);
  void count(std::span<const float> values);
  void count_apart(std::span<const float> values);
  size_t bin_of(float v) const;
  float inverse_width() const;

  int exponent_ = 0;   // bin width 2^exponent_
  int64_t base_ = 0;   // lattice index of bin 0
  std::vector<uint64_t> counts_;
  float min_ = std::numeric_limits<float>::infinity(), max_ = -std::numeric_limits<float>::infinity();
  uint64_t count_ = 0, zeros_ = 0;
};

}  // namespace bitwright
