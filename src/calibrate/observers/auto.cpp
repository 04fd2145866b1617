// Chosen per tensor: every other observer proposes a range from the fitted part of the batches, the one with the least
// squared error on the part held out wins and then uses all of them. Before the 8th batch nothing is held out and the
// error on the fitted part decides.
#include <limits>

#include "calibrate/clip_search.hpp"

namespace bitwright {
namespace {

Range choose(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
  if (!(seen.min() < seen.max()) || !scheme.format->is_integer) return range_of(seen.min(), seen.max());
  const bool judged_apart = !seen.held_out().empty() && !seen.fitted().empty();
  const Statistics fitted = judged_apart ? seen.fitted_part() : seen;
  const ErrorCurve error(judged_apart ? seen.held_out() : seen.fitted());
  const Observer* best = nullptr;
  Range found = range_of(seen.min(), seen.max());
  double least = std::numeric_limits<double>::infinity();
  for (const Observer* candidate : observers()) {
    if (candidate->range == choose || candidate->needs.channels) continue;
    Range range = candidate->range(fitted, scheme, options);
    const double e = error(scheme, range.min[0], range.max[0]);
    if (e < least) least = e, best = candidate, found = std::move(range);
  }
  return best && judged_apart ? best->range(seen, scheme, options) : found;
}

}  // namespace

const Observer& observer_auto();
const Observer& observer_auto() {
  static const Observer observer = {"auto",
                                    "the observer with the least error on held-out batches, per tensor",
                                    {.moving_average = true, .histogram = true, .held_out = true, .batch_quantile = true},
                                    choose};
  return observer;
}

}  // namespace bitwright
