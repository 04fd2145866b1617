// The range of least mean squared error (B.5).
#include "calibrate/clip_search.hpp"

namespace bitwright {

const Observer& observer_mse();
const Observer& observer_mse() {
  static const Observer observer = {"mse",
                                    "the range of least mean squared error",
                                    {.histogram = true},
                                    [](const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
                                      return least_error_range(seen, scheme, 2, options.bins);
                                    }};
  return observer;
}

}  // namespace bitwright
