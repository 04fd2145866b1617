// The whole range: nothing saturates (B.1).
#include "calibrate/observer.hpp"

namespace bitwright {

const Observer& observer_minmax();
const Observer& observer_minmax() {
  static const Observer observer = {
      "minmax", "smallest and largest value", {}, [](const Statistics& seen, const Scheme&, const ObserverOptions&) {
        return range_of(seen.min(), seen.max());
      }};
  return observer;
}

}  // namespace bitwright
