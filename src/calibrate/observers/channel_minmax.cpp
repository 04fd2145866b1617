// The whole range of each channel by itself; the statistics know the axis.
#include "calibrate/observer.hpp"

namespace bitwright {

const Observer& observer_channel_minmax();
const Observer& observer_channel_minmax() {
  static const Observer observer = {"channel_minmax",
                                    "smallest and largest value of each channel",
                                    {.channels = true},
                                    [](const Statistics& seen, const Scheme&, const ObserverOptions&) {
                                      if (seen.channels().min.empty()) return range_of(seen.min(), seen.max());
                                      return seen.channels();
                                    }};
  return observer;
}

}  // namespace bitwright
