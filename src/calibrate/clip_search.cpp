#include "calibrate/clip_search.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace bitwright {
namespace {

constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: the addition rounds half to even
constexpr size_t kLanes = 4;

// The quantizer in units of its step: v = x / s is off by v - clamp(rne(v), low, high).
struct Steps {
  double inverse_scale, low, high;
  double error(double x) const {
    const double v = x * inverse_scale;
    double clipped = v > low ? v : low;
    clipped = clipped < high ? clipped : high;
    return std::fabs(v - ((clipped + kRound) - kRound));
  }
};

double squares(const std::vector<double>& x, const std::vector<double>& weight, const Steps& steps) {
  std::array<double, kLanes> sum{};
  for (size_t i = 0; i + kLanes <= x.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double e = steps.error(x[i + lane]);
      sum[lane] += weight[i + lane] * e * e;
    }
  for (size_t i = x.size() / kLanes * kLanes; i < x.size(); ++i)
    sum[0] += weight[i] * steps.error(x[i]) * steps.error(x[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

// e^norm from tables, because std::pow costs more than all the rest: e = m 2^k with 1 <= m < 2 gives m^norm (linear
// between 1024 points, relative error below 1e-6) times 2^(k norm).
class ErrorCurve::PowerTable {
 public:
  explicit PowerTable(double norm) {
    for (int i = 0; i <= kPoints; ++i) mantissa_[static_cast<size_t>(i)] = std::pow(1 + static_cast<double>(i) / kPoints, norm);
    for (int k = 0; k < kExponents; ++k) exponent_[static_cast<size_t>(k)] = k ? std::exp2((k - kExponents / 2) * norm) : 0;
  }
  double operator()(double e) const {
    const uint64_t bits = std::bit_cast<uint64_t>(e);
    const int k = std::clamp(static_cast<int>(bits >> 52) - 1023 + kExponents / 2, 0, kExponents - 1);
    const double at = (std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000) - 1) * kPoints;
    const auto i = static_cast<size_t>(static_cast<int>(at));
    const double m = mantissa_[i] + (at - static_cast<double>(static_cast<int>(i))) * (mantissa_[i + 1] - mantissa_[i]);
    return m * exponent_[static_cast<size_t>(k)];
  }

 private:
  static constexpr int kPoints = 1024, kExponents = 128;  // errors of 2^-63 to 2^63 steps; smaller ones count as none
  std::array<double, kPoints + 1> mantissa_;
  std::array<double, kExponents> exponent_;
};

ErrorCurve::ErrorCurve(const Histogram& values, double norm, int bins) : norm_(norm) {
  if (norm != 2) power_ = std::make_shared<PowerTable>(norm);
  if (values.empty()) return;
  Histogram::Bins source = values.bins();
  double low = static_cast<double>(source.first) * source.width;
  const bool coarser = bins > 0 && static_cast<size_t>(bins) < source.counts.size();
  if (coarser) {
    low = values.min();
    source.width = (static_cast<double>(values.max()) - low) / bins;
    source.counts = values.rebinned(values.min(), values.max(), bins);
  }
  total_ = static_cast<double>(values.count());
  if (values.min() <= 0 && values.max() >= 0) {  // exact zeros leave their bin
    double& bin = source.counts[std::min(source.counts.size() - 1, static_cast<size_t>(-low / source.width))];
    bin = std::max(0.0, bin - static_cast<double>(values.zeros()));
  }
  for (size_t i = 0; i < source.counts.size(); ++i) {
    if (source.counts[i] <= 0) continue;
    const double begin = low + static_cast<double>(i) * source.width;
    centres_.push_back((std::max<double>(begin, values.min()) + std::min<double>(begin + source.width, values.max())) / 2);
    weights_.push_back(source.counts[i]);
  }
  spread_ = source.width * source.width / 12;
}

double ErrorCurve::operator()(const Scheme& scheme, float min, float max) const {
  if (total_ == 0) return 0;
  const QParams q = choose_qparams(min, max, scheme);
  const CodeRange codes = code_range(scheme);
  const Steps steps{1.0 / q.scale, static_cast<double>(codes.qmin) - q.zero, static_cast<double>(codes.qmax) - q.zero};
  if (!power_) return squares(centres_, weights_, steps) * q.scale * q.scale / total_ + spread_;
  double sum = 0;
  for (size_t i = 0; i < centres_.size(); ++i) sum += weights_[i] * (*power_)(steps.error(centres_[i]));
  return sum * std::pow(q.scale, norm_) / total_;
}

double quantization_error(const Histogram& values, const Scheme& scheme, float min, float max, double norm) {
  return ErrorCurve(values, norm)(scheme, min, max);
}

Range least_error_range(const Statistics& seen, const Scheme& scheme, double norm, int bins) {
  if (seen.min() > seen.max() || !scheme.format->is_integer || scheme.format->bits > 10)
    return range_of(seen.min(), seen.max());
  const ErrorCurve error(seen.histogram(), norm, bins);
  const float whole_min = std::min(seen.min(), 0.0f), whole_max = std::max(seen.max(), 0.0f);
  float best_min = whole_min, best_max = whole_max;
  double best = error(scheme, best_min, best_max);
  const auto consider = [&](float min, float max) {
    if (!(min < max)) return;
    if (const double e = error(scheme, min, max); e < best) best = e, best_min = min, best_max = max;
  };
  constexpr int kShared = 100, kAlone = 50;
  for (int i = 1; i < kShared; ++i) {
    const float share = static_cast<float>(i) / kShared;
    consider(whole_min * share, whole_max * share);
  }
  if (whole_min == 0 || whole_max == 0 || scheme.symmetry != Symmetry::affine) return range_of(best_min, best_max);
  for (int i = 1; i <= kAlone; ++i) consider(best_min, whole_max * (static_cast<float>(i) / kAlone));
  for (int i = 1; i <= kAlone; ++i) consider(whole_min * (static_cast<float>(i) / kAlone), best_max);
  return range_of(best_min, best_max);
}

}  // namespace bitwright
