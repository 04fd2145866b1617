// Batch minima and maxima averaged, m += c (x - m) with c = 0.01: one extreme batch moves it little (B.2).
#include "calibrate/observer.hpp"

namespace bitwright {

const Observer& observer_moving_average_minmax();
const Observer& observer_moving_average_minmax() {
  static const Observer observer = {"moving_average_minmax",
                                    "smallest and largest value of a batch, averaged over batches",
                                    {.moving_average = true},
                                    [](const Statistics& seen, const Scheme&, const ObserverOptions&) {
                                      if (seen.batches() == 0) return range_of(seen.min(), seen.max());
                                      return range_of(seen.average_min(), seen.average_max());
                                    }};
  return observer;
}

}  // namespace bitwright
