// The range of least mean |error|^2.4, which minds outliers a little more than mse (BRECQ, QDrop, LAPQ; B.5).
#include "calibrate/clip_search.hpp"

namespace bitwright {

const Observer& observer_lp();
const Observer& observer_lp() {
  static const Observer observer = {"lp",
                                    "the range of least mean |error|^2.4",
                                    {.histogram = true},
                                    [](const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
                                      return least_error_range(seen, scheme, 2.4, options.bins);
                                    }};
  return observer;
}

}  // namespace bitwright
