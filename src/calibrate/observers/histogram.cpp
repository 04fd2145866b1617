// PyTorch's HistogramObserver. Its target bins are the codes in use; PyTorch's own count, 2^bits of the storage type even
// where qmin ... qmax are fewer, is an option (B.3).
#include "calibrate/norm_search.hpp"
#include "calibrate/observer.hpp"

namespace bitwright {
namespace {

Range search(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
  const float min = seen.min(), max = seen.max();
  if (!(min < max) || !scheme.format->is_integer) return range_of(min, max);
  const CodeRange codes = code_range(scheme);
  const int storage_bits = bits_of(scheme.format->storage);
  const int targets = options.pytorch_dst_bins ? 1 << storage_bits : codes.qmax - codes.qmin + 1;
  const double width = (static_cast<double>(max) - min) / options.bins;
  const BinRange kept = norm_search(seen.histogram().rebinned(min, max, options.bins), width, targets);
  return range_of(static_cast<float>(min + width * kept.first), static_cast<float>(min + width * (kept.last + 1)));
}

}  // namespace

const Observer& observer_histogram();
const Observer& observer_histogram() {
  static const Observer observer = {
      "histogram", "PyTorch's search for the range of least L2 error", {.histogram = true}, search};
  return observer;
}

}  // namespace bitwright
