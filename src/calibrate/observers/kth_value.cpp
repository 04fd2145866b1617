// The percentile calibration of reference/mission.md A1.22: the k-th smallest magnitude of each batch, k = 0.9999 N,
// averaged over batches with weight 0.1, as a symmetric range.
#include <algorithm>

#include "calibrate/observer.hpp"

namespace bitwright {

const Observer& observer_kth_value();
const Observer& observer_kth_value() {
  static const Observer observer = {"kth_value",
                                    "the 0.9999 quantile of each batch's magnitudes, averaged over batches",
                                    {.batch_quantile = true},
                                    [](const Statistics& seen, const Scheme&, const ObserverOptions&) {
                                      const float limit = seen.average_quantile();
                                      if (seen.batches() == 0) return range_of(seen.min(), seen.max());
                                      return range_of(std::max(seen.min(), -limit), std::min(seen.max(), limit));
                                    }};
  return observer;
}

}  // namespace bitwright
