// Cut the outermost values: half of the cut at each end, or all of it from the magnitudes of a symmetric scheme (B.4).
#include <algorithm>

#include "calibrate/observer.hpp"

namespace bitwright {
namespace {

double default_percentile(int bits) {
  if (bits >= 8) return 99.999;
  if (bits >= 4) return 99.9;
  return bits == 3 ? 99.5 : 99;
}

Range cut(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
  const float min = seen.min(), max = seen.max();
  if (!(min < max)) return range_of(min, max);
  const double kept = options.percentile > 0 ? options.percentile : default_percentile(scheme.format->bits);
  if (kept <= 50 || kept > 100)
    fail(ErrorCode::usage, "a percentile of ", kept, " cuts too much; take one above 50, up to 100");
  const Histogram histogram = seen.histogram();
  if (scheme.symmetry != Symmetry::affine) {
    const float limit = histogram.magnitude_quantile(kept / 100);
    return range_of(std::max(min, -limit), std::min(max, limit));
  }
  const double tail = (100 - kept) / 200;
  return range_of(histogram.quantile(tail), histogram.quantile(1 - tail));
}

}  // namespace

const Observer& observer_percentile();
const Observer& observer_percentile() {
  static const Observer observer = {
      "percentile", "without the outermost values, 0.001 % of them at 8 bits", {.histogram = true}, cut};
  return observer;
}

}  // namespace bitwright
