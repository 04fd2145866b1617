// An observer turns what calibration remembers of a tensor into the range to be quantized. Observers have no state of
// their own: Statistics is gathered once and all of them read it, so a calibration can compare them without a second
// run. One file per observer in observers/; the file's stem is its name.
#pragma once

#include <span>
#include <string_view>

#include "calibrate/statistics.hpp"
#include "quant/scheme.hpp"

namespace bitwright {

struct ObserverOptions {
  double percentile = 0;          // kept share in percent, (50, 100]; 0: by width, 99.999 from 8 bits down to 99 for 2
  int bins = 2048;                // of the histogram that `histogram`, `entropy` and the searches work on
  bool pytorch_dst_bins = false;  // `histogram`: 2^bits target bins even where qmin ... qmax are fewer, as PyTorch has it
};

struct Observer {
  std::string_view name;
  std::string_view about;
  Needs needs;
  /// min > max when nothing was observed. One element, or one per channel (channel_minmax).
  Range (*range)(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options);
};

/// Every observer, sorted by name.
std::span<const Observer* const> observers();
/// nullptr if there is none with that name.
const Observer* find_observer(std::string_view name);
/// Throws Error{usage} naming the nearest.
const Observer& observer_named(std::string_view name);

/// A Range of one element.
Range range_of(float min, float max);
/// The Grid of an activation: scheme.granularity tensor, or channel along `channel_axis` from a range per channel.
Grid make_grid(const Scheme& scheme, const Range& range, int channel_axis = 1);
/// The Grid of a constant (f32, finite), each channel or block along `axis` observed on its own.
/// Throws Error{numeric} as grid_of_constant does.
Grid observe_constant(const Tensor& weight, const Scheme& scheme, int axis, const Observer& observer,
                      const ObserverOptions& options = {});

/// Mean of |x - Q(x)|^norm over the values of a histogram, each taken at the centre of its bin, exact zeros as zeros.
double quantization_error(const Histogram& values, const Scheme& scheme, float min, float max, double norm = 2);

}  // namespace bitwright
