// TensorRT's calibration (GTC 2017 s7310; B.6): the magnitude limit at which the clipped, quantized distribution has the
// least Kullback-Leibler divergence from the clipped one. With h_k the count of bin k, P its clipped distribution (what
// lies beyond i goes to bin i - 1), Q the mean of each of the groups over its occupied bins:
//   KL = sum P log P - sum P log Q,   sums of h, of h log h and of [h > 0] over a group come from prefix sums,
// so a limit costs one logarithm per group instead of one per bin, and neighbouring limits share most of their groups.
//
// The search begins at 128 bins, fewer need no grouping. They are counted from the first that holds anything: where data lie
// away from zero, a limit that keeps a single bin has P = Q whatever it cuts off.
#include <algorithm>
#include <cmath>
#include <limits>

#include "calibrate/observer.hpp"

namespace bitwright {
namespace {

constexpr size_t kFewestBins = 128;

size_t first_occupied(const std::vector<double>& h) {
  return static_cast<size_t>(std::find_if(h.begin(), h.end(), [](double n) { return n > 0; }) - h.begin());
}

struct Prefix {
  explicit Prefix(const std::vector<double>& h) : mass(h.size() + 1), plogp(h.size() + 1), occupied(h.size() + 1) {
    for (size_t k = 0; k < h.size(); ++k) {
      mass[k + 1] = mass[k] + h[k];
      plogp[k + 1] = plogp[k] + (h[k] > 0 ? h[k] * std::log(h[k]) : 0);
      occupied[k + 1] = occupied[k] + (h[k] > 0);
    }
  }
  std::vector<double> mass, plogp, occupied;
};

// log Q within a group of bins, computed once where groups are narrow: hundreds of limits have groups of the same few widths.
class Levels {
 public:
  Levels(const Prefix& prefix, size_t groups) : prefix_(prefix), bins_(prefix.mass.size()) {
    const size_t widest = bins_ / groups + 1;
    if (widest <= kMostWidths) known_.assign(bins_ * (widest + 1), kUnknown);
  }
  double operator()(size_t begin, size_t end) {
    if (known_.empty()) return level(begin, end);
    double& known = known_[(end - begin) * bins_ + begin];
    if (known == kUnknown) known = level(begin, end);
    return known;
  }

 private:
  static constexpr size_t kMostWidths = 16;
  static constexpr double kUnknown = std::numeric_limits<double>::infinity();
  double level(size_t begin, size_t end) const {
    return std::log((prefix_.mass[end] - prefix_.mass[begin]) / (prefix_.occupied[end] - prefix_.occupied[begin]));
  }

  const Prefix& prefix_;
  size_t bins_;
  std::vector<double> known_;
};

// KL(P || Q) for the limit at bin i. log of normalised values: log(p / total) = log p - log total.
double divergence(const std::vector<double>& h, const Prefix& prefix, Levels& levels, size_t i, size_t groups) {
  const double total = prefix.mass.back(), kept = prefix.mass[i], beyond = total - kept, last = h[i - 1];
  if (kept <= 0) return std::numeric_limits<double>::infinity();
  if (beyond > 0 && last == 0) return std::numeric_limits<double>::infinity();  // P > 0 where Q = 0
  double cross = 0;  // sum over bins of P log Q, unnormalised
  for (size_t g = 0, begin = 0; g < groups; ++g) {
    const size_t end = ((g + 1) * i + groups - 1) / groups;
    const double mass = prefix.mass[end] - prefix.mass[begin];
    if (mass > 0) cross += levels(begin, end) * (mass + (end == i ? beyond : 0));
    begin = end;
  }
  const double grown = last + beyond;
  const double own = prefix.plogp[i] - (last > 0 ? last * std::log(last) : 0) + (grown > 0 ? grown * std::log(grown) : 0);
  return (own - cross) / total - std::log(total) + std::log(kept);
}

Range search(const Statistics& seen, const Scheme& scheme, const ObserverOptions& options) {
  const float min = seen.min(), max = seen.max(), amax = std::max(-min, max);
  if (!(min < max) || !scheme.format->is_integer) return range_of(min, max);
  std::vector<double> h = seen.histogram().rebinned_magnitudes(amax, options.bins);
  h[0] = h[1];  // the spike at zero says nothing about the range
  const bool one_sided = scheme.symmetry == Symmetry::affine && (min >= 0 || max <= 0);
  const CodeRange codes = code_range(scheme);
  const auto all = static_cast<size_t>(codes.qmax - codes.qmin + 1);
  const size_t groups = one_sided ? all : (all + 1) / 2;
  const Prefix prefix(h);
  Levels levels(prefix, groups);
  size_t best_limit = h.size();
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = std::max(first_occupied(h) + kFewestBins, groups); i <= h.size(); ++i)
    if (const double kl = divergence(h, prefix, levels, i, groups); kl <= best) best = kl, best_limit = i;  // the last of equals
  const auto limit = static_cast<float>(amax * (static_cast<double>(best_limit) / options.bins));
  return range_of(std::max(min, -limit), std::min(max, limit));
}

}  // namespace

const Observer& observer_entropy();
const Observer& observer_entropy() {
  static const Observer observer = {
      "entropy", "TensorRT's range of least Kullback-Leibler divergence", {.histogram = true}, search};
  return observer;
}

}  // namespace bitwright
