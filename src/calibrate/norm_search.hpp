// PyTorch's HistogramObserver: shrink the range from both ends by quantiles while the L2 error, with values spread evenly
// inside each source bin, does not grow (torch/ao/quantization/observer.py _non_linear_param_search; algorithms.md B.3).
#pragma once

#include <span>

namespace bitwright {

/// Sum over all source bins of the squared error of rounding to the centres of `target_bins` equal bins laid over
/// source bins first ... last; what lies outside goes to the outermost centre. counts: equal bins of `width`.
/// For evenly filled bins and the whole range of W: total * (W / target_bins)^2 / 12.
double norm_error(std::span<const double> counts, double width, int first, int last, int target_bins);

struct BinRange {
  int first, last;
};

/// The first local minimum of norm_error on PyTorch's path.
BinRange norm_search(std::span<const double> counts, double width, int target_bins);

}  // namespace bitwright
