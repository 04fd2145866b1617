// The error of a quantizer on a histogram, and the clipping range that makes it least (reference/algorithms.md B.5).
#pragma once

#include <memory>

#include "calibrate/observer.hpp"

namespace bitwright {

/// A histogram made ready for many evaluations: occupied bins only, zeros apart (they have no error, Q3).
class ErrorCurve {
 public:
  /// norm > 0. bins: 0 takes the histogram's own, otherwise it is rebinned to so many over [min, max].
  explicit ErrorCurve(const Histogram& values, double norm = 2, int bins = 0);

  /// Mean |x - Q(x)|^norm of the integer quantizer that `scheme` chooses for [min, max].
  double operator()(const Scheme& scheme, float min, float max) const;

 private:
  class PowerTable;

  double norm_;
  std::shared_ptr<const PowerTable> power_;  // unless the norm is 2
  std::vector<double> centres_, weights_;
  double total_ = 0;
  double spread_ = 0;  // variance within a bin, which a centre does not show
};

/// The [min, max] of least error: both ends scaled together by 1 ... 100 %, then each end alone. Formats above 10 bits
/// have steps finer than the bins and keep the whole range; nothing seen gives min > max.
Range least_error_range(const Statistics& seen, const Scheme& scheme, double norm, int bins);

}  // namespace bitwright
