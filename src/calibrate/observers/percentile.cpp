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

// The value below which `share` of the mass lies, values spread evenly within each bin.
double quantile(const std::vector<double>& counts, double low, double width, double share) {
  double total = 0, below = 0;
  for (const double n : counts) total += n;
  const double wanted = share * total;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (below + counts[i] >= wanted && counts[i] > 0)
      return low + width * (static_cast<double>(i) + std::clamp((wanted - below) / counts[i], 0.0, 1.0));
    below += counts[i];
  }
  return low + width * static_cast<double>(counts.size());
}

Range cut(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
  const float min = seen.min(), max = seen.max();
  if (!(min < max)) return range_of(min, max);
  const double kept = options.percentile > 0 ? options.percentile : default_percentile(scheme.format->bits);
  if (kept <= 50 || kept > 100)
    fail(ErrorCode::usage, "a percentile of ", kept, " cuts too much; take one above 50, up to 100");
  const Histogram histogram = seen.histogram();
  if (scheme.symmetry != Symmetry::affine) {
    const float amax = std::max(-min, max);
    const int bins = Histogram::kBins;
    const double at = quantile(histogram.rebinned_magnitudes(amax, bins), 0, static_cast<double>(amax) / bins, kept / 100);
    const auto limit = std::min(amax, static_cast<float>(at));
    return range_of(std::max(min, -limit), std::min(max, limit));
  }
  const Histogram::Bins bins = histogram.bins();
  const double low = static_cast<double>(bins.first) * bins.width, tail = (100 - kept) / 200;
  return range_of(std::max(min, static_cast<float>(quantile(bins.counts, low, bins.width, tail))),
                  std::min(max, static_cast<float>(quantile(bins.counts, low, bins.width, 1 - tail))));
}

}  // namespace

const Observer& observer_percentile();
const Observer& observer_percentile() {
  static const Observer observer = {
      "percentile", "without the outermost values, 0.001 % of them at 8 bits", {.histogram = true}, cut};
  return observer;
}

}  // namespace bitwright
