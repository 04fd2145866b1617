#include "kernels/requantize/requantize.hpp"

#include <cmath>
#include <limits>

namespace bitwright {
namespace {

__extension__ using Wide = unsigned __int128;

// The clamp comes before the conversion to integer: it saturates and leaves no value that does not fit.
template <class F>
int32_t round_clamped(F value, const Requantize& r) {
  const F lo = static_cast<F>(r.lo - r.zero_point), hi = static_cast<F>(r.hi - r.zero_point);
  value = value > lo ? value : lo;
  value = value < hi ? value : hi;
  return static_cast<int32_t>(std::lrint(value)) + r.zero_point;
}

int32_t clamped(int64_t rounded, const Requantize& r) {
  const int64_t lo = int64_t{r.lo} - r.zero_point, hi = int64_t{r.hi} - r.zero_point;
  return static_cast<int32_t>(rounded < lo ? lo : rounded > hi ? hi : rounded) + r.zero_point;
}

// Half-even of n / d, for quotients below 2^62.
int64_t divide_half_even(Wide n, Wide d) {
  const Wide whole = n / d, rest = (n % d) * 2;
  const bool up = rest > d || (rest == d && (whole & 1));
  return static_cast<int64_t>(whole) + up;
}

// Outside (1/4, 2^20) the estimate alone decides; inside, numerator and denominator stay below 2^123.
int64_t round_real(int64_t acc, const RequantizeRatio& m) {
  const uint64_t magnitude = acc < 0 ? 0 - static_cast<uint64_t>(acc) : static_cast<uint64_t>(acc);
  const double estimate =
      std::ldexp(static_cast<double>(magnitude) * static_cast<double>(m.numerator) / static_cast<double>(m.denominator),
                 m.exponent);
  if (estimate < 0.25) return 0;
  int64_t rounded = int64_t{1} << 20;
  if (estimate < 0x1p20) {
    Wide n = static_cast<Wide>(magnitude) * m.numerator, d = m.denominator;
    if (m.exponent >= 0)
      n <<= m.exponent;
    else
      d <<= -m.exponent;
    rounded = divide_half_even(n, d);
  }
  return acc < 0 ? -rounded : rounded;
}

int32_t saturate32(int64_t value) {
  constexpr int64_t kLo = std::numeric_limits<int32_t>::min(), kHi = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(value < kLo ? kLo : value > kHi ? kHi : value);
}

// gemmlowp fixedpoint.h: SaturatingRoundingDoublingHighMul and RoundingDivideByPOT. The multiplier is never negative.
int64_t round_tflite(int64_t acc, const RequantizeRatio& m) {
  const int left = m.shift > 0 ? m.shift : 0, right = m.shift > 0 ? 0 : -m.shift;
  const int64_t shifted = saturate32(int64_t{saturate32(acc)} * (int64_t{1} << left));
  const int64_t product = shifted * m.multiplier;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  const int64_t high = (product + nudge) / (int64_t{1} << 31);
  const int64_t mask = (int64_t{1} << right) - 1;
  return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0));
}

}  // namespace

int32_t requantize_exact(const Requantize& r, int64_t acc, int64_t channel) noexcept {
  switch (r.profile) {
    case RequantizeProfile::ort: return round_clamped(static_cast<float>(acc) * r.m32[channel], r);
    case RequantizeProfile::real: return clamped(round_real(acc, r.ratio[channel]), r);
    case RequantizeProfile::tflite: return clamped(round_tflite(acc, r.ratio[channel]), r);
  }
  return r.lo;
}

int32_t requantize(const Requantize& r, int64_t acc, int64_t channel) noexcept {
  if (r.step == RequantizeStep::f32) return round_clamped(static_cast<float>(acc) * r.m32[channel], r);
  if (r.step == RequantizeStep::f64) return round_clamped(static_cast<double>(acc) * r.m64[channel], r);
  return requantize_exact(r, acc, channel);
}

void requantize_u8(const Requantize& r, const int32_t* acc, int64_t channel, int64_t count, uint8_t* dst) noexcept {
  for (int64_t i = 0; i < count; ++i) dst[i] = static_cast<uint8_t>(requantize(r, acc[i], channel + i));
}

}  // namespace bitwright
