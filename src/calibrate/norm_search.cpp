#include "calibrate/norm_search.hpp"

#include <limits>
#include <vector>

namespace bitwright {
namespace {

// The integral of x^2 for density 1.
double second_moment(double begin, double end) { return (end * end * end - begin * begin * begin) / 3; }

// floor and clamp to [0, last] at once: what is below zero may be truncated.
double target_bin(double position, double inverse_width, double last) {
  double bin = position * inverse_width;
  bin = bin > 0 ? bin : 0;
  bin = bin < last ? bin : last;
  return static_cast<double>(static_cast<int>(bin));
}

}  // namespace

double norm_error(std::span<const double> counts, double width, int first, int last, int target_bins) {
  const double target = width * (last - first + 1) / target_bins, half = target / 2, inverse = 1 / target;
  const double whole = second_moment(-half, half), last_bin = target_bins - 1;
  double sum = 0;
  for (int i = 0; i < static_cast<int>(counts.size()); ++i) {
    const double begin = (i - first) * width, end = (i - first + 1) * width;
    const double begin_bin = target_bin(begin, inverse, last_bin), end_bin = target_bin(end, inverse, last_bin);
    sum += counts[static_cast<size_t>(i)] * (second_moment(begin - (begin_bin + 0.5) * target, half) +
                                             (end_bin - begin_bin - 1) * whole +
                                             second_moment(-half, end - (end_bin + 0.5) * target));
  }
  return sum / width;
}

BinRange norm_search(std::span<const double> counts, double width, int target_bins) {
  std::vector<double> below(counts.size());
  double total = 0;
  for (size_t i = 0; i < counts.size(); ++i) below[i] = total += counts[i];
  constexpr double kStep = 1e-5;
  BinRange kept{0, static_cast<int>(counts.size()) - 1};
  double alpha = 0, beta = 1, least = std::numeric_limits<double>::infinity();
  while (alpha < beta) {
    int left = kept.first, right = kept.last;
    while (left < kept.last && below[static_cast<size_t>(left)] < (alpha + kStep) * total) ++left;
    while (right > kept.first && below[static_cast<size_t>(right)] > (beta - kStep) * total) --right;
    BinRange next = kept;
    if (left - kept.first > kept.last - right) {
      next.first = left, alpha += kStep;
    } else {
      next.last = right, beta -= kStep;
    }
    if (next.first == kept.first && next.last == kept.last) continue;
    const double error = norm_error(counts, width, next.first, next.last, target_bins);
    if (error > least) break;
    least = error, kept = next;
  }
  return kept;
}

}  // namespace bitwright
