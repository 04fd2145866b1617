// @name@: a skeleton that keeps nine tenths of the range. (Say here which range it chooses, why, and the source.)
#include "calibrate/observer.hpp"

namespace bitwright {

const Observer& observer_@name@();
const Observer& observer_@name@() {
  static const Observer observer = {
      "@name@", "nine tenths of the smallest and of the largest value",
      {},  // .histogram = true asks for a histogram of the values
      [](const Statistics& seen, const Scheme&, const ObserverOptions&) {
        return seen.min() > seen.max() ? range_of(seen.min(), seen.max()) : range_of(0.9f * seen.min(), 0.9f * seen.max());
      }};
  return observer;
}

}  // namespace bitwright
