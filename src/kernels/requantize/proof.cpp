#include "kernels/requantize/proof.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace bitwright {
namespace {

constexpr size_t kPadding = 64;  // entries that vector kernels may read past the last channel

// The least acc in [from, reach.hi + 1] with f(acc) >= code, near `guess`; f is non-decreasing. Doubling steps away
// from the guess, then halving; a good guess costs two evaluations.
template <class F>
int64_t threshold(F&& f, int32_t code, int64_t guess, int64_t from, int64_t end) {
  int64_t below = from - 1, above = end;  // f(below) < code <= f(above), by convention at the ends
  guess = std::clamp(guess, from, end);
  for (int64_t step = 1, at = guess; below + 1 < above; step *= 2) {
    const bool reached = at >= end || f(at) >= code;
    (reached ? above : below) = at;
    const int64_t next = reached ? at - step : at + step;
    if (next <= below || next >= above) break;
    at = next;
  }
  while (below + 1 < above) {
    const int64_t middle = below + (above - below) / 2;
    (f(middle) >= code ? above : below) = middle;
  }
  return above;
}

int64_t guess_threshold(const Requantize& r, int64_t channel, int32_t code) {
  const double value = (code - r.zero_point - 0.5) / r.m64[channel];
  return static_cast<int64_t>(std::ceil(std::clamp(value, -0x1p62, 0x1p62)));
}

void check_scale(float scale, const char* which) {
  if (!(scale > 0) || !std::isfinite(scale))
    fail(ErrorCode::numeric, which, " scale is ", scale, "; it must be positive and finite");
}

// A float as mantissa * 2^exponent with an integer mantissa below 2^24.
uint64_t split(float value, int& exponent) {
  const float mantissa = std::frexp(value, &exponent);
  exponent -= 24;
  return static_cast<uint64_t>(std::ldexp(mantissa, 24));
}

// TFLite's QuantizeMultiplier.
void set_fixed_point(RequantizeRatio& ratio, double m) {
  int shift = 0;
  int64_t fixed = std::llround(std::frexp(m, &shift) * 0x1p31);
  if (fixed == int64_t{1} << 31) fixed /= 2, ++shift;
  if (shift < -31) fixed = 0, shift = 0;
  if (shift > 30) fixed = (int64_t{1} << 31) - 1, shift = 30;
  ratio.multiplier = static_cast<int32_t>(fixed);
  ratio.shift = shift;
}

RequantizeRatio ratio_of(float sx, float sw, float sy, int64_t count, double m) {
  RequantizeRatio ratio{};
  int ex = 0, ew = 0, ey = 0;
  const uint64_t x = split(sx, ex), w = split(sw, ew), y = split(sy, ey);
  ratio.numerator = x * w;
  ratio.denominator = y * static_cast<uint64_t>(count);
  ratio.exponent = ex + ew - ey;
  set_fixed_point(ratio, m);
  return ratio;
}

float ort_multiplier(const RequantizeSpec& spec, float sw, int64_t count) {
  return spec.src_scale * sw / (spec.dst_scale * static_cast<float>(count));
}

void add_channel(RequantizePlan& plan, const RequantizeSpec& spec, float sw, int64_t count) {
  check_scale(sw, "weight");
  BW_CHECK(count >= 1 && count < (1 << 24));
  const float m32 = ort_multiplier(spec, sw, count);
  if (!std::isfinite(m32))
    fail(ErrorCode::numeric, "the multiplier ", spec.src_scale, " * ", sw, " / ", spec.dst_scale, " overflows float32");
  const double m = static_cast<double>(spec.src_scale) * sw / spec.dst_scale / static_cast<double>(count);
  plan.m32.push_back(m32);
  plan.m64.push_back(m);
  plan.ratio.push_back(ratio_of(spec.src_scale, sw, spec.dst_scale, count, m));
}

bool prove_all(RequantizePlan& plan, const std::vector<Reach>& reach) {
  const Requantize r = plan.view();
  plan.proof.clear();
  for (int64_t c = 0; c < plan.channels; ++c) {
    plan.proof.push_back(prove_requantize(r, c, reach[reach.size() == 1 ? 0 : static_cast<size_t>(c)]));
    const ChannelProof& proof = plan.proof.back();
    if (proof.equal) continue;
    const char* step = r.step == RequantizeStep::f32 ? "f32" : "f64";
    plan.refused +=
        str(plan.refused.empty() ? "" : "; ", step, ": channel ", c, " differs first at accumulator ", proof.first);
    return false;
  }
  return true;
}

bool products_fit_int32(const RequantizePlan& plan, const std::vector<Reach>& reach) {
  constexpr double kMost = 0x1p31 * (1 - 0x1p-20);
  for (int64_t c = 0; c < plan.channels; ++c) {
    const auto at = static_cast<size_t>(c);
    const Reach& r = reach[reach.size() == 1 ? 0 : at];
    const double most = std::max(std::abs(static_cast<double>(r.lo)), std::abs(static_cast<double>(r.hi)));
    if (!(most * plan.m32[at] < kMost)) return false;
  }
  return true;
}

}  // namespace

Requantize RequantizePlan::view() const {
  Requantize r = constants;
  r.m32 = m32.data();
  r.m64 = m64.data();
  r.ratio = ratio.data();
  return r;
}

void RequantizePlan::keep_what_is_read() {
  // Assigning {} would keep the memory.
  proof = std::vector<ChannelProof>();
  m32.shrink_to_fit();
  if (constants.step != RequantizeStep::f64) m64 = std::vector<double>();
  if (constants.profile == RequantizeProfile::ort) ratio = std::vector<RequantizeRatio>();
}

void RequantizePlan::keep_step() {
  keep_what_is_read();
  if (constants.step != RequantizeStep::exact) ratio = std::vector<RequantizeRatio>();
}

ChannelProof prove_requantize(const Requantize& r, int64_t channel, Reach reach) {
  ChannelProof proof;
  const auto profile = [&](int64_t acc) { return requantize_exact(r, acc, channel); };
  const auto step = [&](int64_t acc) { return ++proof.evaluations, requantize(r, acc, channel); };
  int64_t from = reach.lo;
  for (int32_t code = r.lo + 1; code <= r.hi && from <= reach.hi; ++code) {
    const int64_t at = threshold(profile, code, guess_threshold(r, channel, code), from, reach.hi + 1);
    if (at > reach.lo && step(at - 1) >= code) {
      proof.equal = false;
      proof.first = threshold(step, code, at, from, at);
      return proof;
    }
    if (at <= reach.hi && step(at) < code) {
      proof.equal = false;
      proof.first = at;
      return proof;
    }
    from = at;
  }
  return proof;
}

RequantizePlan plan_requantize(const RequantizeSpec& spec, const std::vector<Reach>& reach) {
  BW_CHECK(reach.size() == 1 || reach.size() == spec.weight_scale.size());
  BW_CHECK(spec.lo <= spec.hi && (spec.count.empty() || spec.count.size() == spec.weight_scale.size()));
  check_scale(spec.src_scale, "source");
  check_scale(spec.dst_scale, "destination");
  RequantizePlan plan;
  plan.channels = static_cast<int64_t>(spec.weight_scale.size());
  for (size_t c = 0; c < spec.weight_scale.size(); ++c)
    add_channel(plan, spec, spec.weight_scale[c], spec.count.empty() ? 1 : spec.count[c]);
  plan.m32.resize(plan.m32.size() + kPadding);
  plan.m64.resize(plan.m64.size() + kPadding);
  plan.ratio.resize(plan.ratio.size() + kPadding);
  plan.constants.zero_point = spec.zero_point;
  plan.constants.lo = spec.lo;
  plan.constants.hi = spec.hi;
  plan.constants.profile = spec.profile;
  plan.constants.step = RequantizeStep::f32;
  plan.constants.bounded = products_fit_int32(plan, reach);
  if (spec.profile == RequantizeProfile::ort || prove_all(plan, reach)) return plan;
  plan.constants.step = RequantizeStep::f64;
  if (prove_all(plan, reach)) return plan;
  plan.constants.step = RequantizeStep::exact;
  plan.proof.clear();
  return plan;
}

RequantizePlan plan_mean(RequantizeSpec spec, int64_t first, int64_t last, int32_t src_zero, int32_t src_hi) {
  std::vector<Reach> reach;
  spec.count.clear();
  for (int64_t n = first; n <= last; ++n) {
    spec.count.push_back(n);
    reach.push_back({-n * src_zero, n * (src_hi - src_zero)});
  }
  spec.weight_scale.assign(spec.count.size(), 1.0f);
  return plan_requantize(spec, reach);
}

}  // namespace bitwright
