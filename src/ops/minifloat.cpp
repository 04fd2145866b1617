#include "ops/minifloat.hpp"

#include <algorithm>
#include <cmath>

namespace bitwright {

const SmallFloat* small_float(DType type) {
  static constexpr SmallFloat kF16{10, 15, 0x8000, 0x7bff, 0x7c00, 0x7e00, true};
  static constexpr SmallFloat kBf16{7, 127, 0x8000, 0x7f7f, 0x7f80, 0x7fc0, true};
  static constexpr SmallFloat kE4m3fn{3, 7, 0x80, 0x7e, 0, 0x7f, true};
  static constexpr SmallFloat kE4m3fnuz{3, 8, 0x80, 0x7f, 0, 0x80, false};
  static constexpr SmallFloat kE5m2{2, 15, 0x80, 0x7b, 0x7c, 0x7f, true};
  static constexpr SmallFloat kE5m2fnuz{2, 16, 0x80, 0x7f, 0, 0x80, false};
  static constexpr SmallFloat kE2m1{1, 1, 0x8, 0x7, 0, 0, true};
  switch (type) {
    case DType::f16: return &kF16;
    case DType::bf16: return &kBf16;
    case DType::f8e4m3fn: return &kE4m3fn;
    case DType::f8e4m3fnuz: return &kE4m3fnuz;
    case DType::f8e5m2: return &kE5m2;
    case DType::f8e5m2fnuz: return &kE5m2fnuz;
    case DType::f4e2m1: return &kE2m1;
    default: return nullptr;
  }
}

uint32_t encode_small(const SmallFloat& f, double value, bool saturate) {
  const uint32_t sign = std::signbit(value) ? f.sign : 0;
  if (std::isnan(value)) return f.negative_zero ? f.nan | sign : f.nan;
  const double magnitude = std::abs(value);
  uint32_t code = f.max_code + 1;
  if (std::isfinite(magnitude)) {
    const int least = 1 - f.bias;
    const int exponent = magnitude == 0 ? least : std::max(std::ilogb(magnitude), least);
    const double quanta = std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - exponent));
    const double wide = std::ldexp(exponent - least, f.mantissa_bits) + quanta;  // mantissa carries into the exponent
    if (wide <= f.max_code) code = static_cast<uint32_t>(wide);
  }
  if (code > f.max_code) {
    if (saturate || f.nan == 0) return f.max_code | sign;
    if (f.infinity) return f.infinity | sign;
    return f.negative_zero ? f.nan | sign : f.nan;
  }
  return code == 0 && !f.negative_zero ? 0 : code | sign;
}

double decode_small(const SmallFloat& f, uint32_t code) {
  if (!f.negative_zero && code == f.nan) return NAN;
  const uint32_t magnitude = code & (f.sign - 1);
  const double sign = code & f.sign ? -1 : 1;
  if (f.infinity && magnitude == f.infinity) return sign * INFINITY;
  if (magnitude > f.max_code) return NAN;
  const auto exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const uint32_t fraction = magnitude & ((1u << f.mantissa_bits) - 1);
  const uint32_t quanta = exponent ? fraction + (1u << f.mantissa_bits) : fraction;
  return sign * std::ldexp(quanta, std::max(exponent, 1) - f.bias - f.mantissa_bits);
}

uint8_t encode_power(double value, PowerRounding rounding, bool saturate) {
  constexpr uint8_t kNan = 255;
  if (std::isnan(value)) return kNan;
  if (!(std::abs(value) > 0)) return saturate ? 0 : kNan;
  if (std::isinf(value)) return saturate ? 254 : kNan;
  int exponent = std::ilogb(value);
  const double fraction = std::abs(std::ldexp(value, -exponent));  // in [1, 2)
  if ((rounding == PowerRounding::up && fraction > 1) || (rounding == PowerRounding::nearest && fraction >= 1.5))
    ++exponent;
  if (exponent > 127) return saturate ? 254 : kNan;
  if (exponent < -127) return saturate ? 0 : kNan;
  return static_cast<uint8_t>(exponent + 127);
}

double decode_power(uint8_t code) { return code == 255 ? NAN : std::ldexp(1.0, code - 127); }

}  // namespace bitwright
