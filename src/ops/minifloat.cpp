#include "ops/minifloat.hpp"

#include <cmath>
#include <limits>

namespace bitwright {
namespace {

struct Layout {
  int mantissa, bias;
  float largest;
  bool infinity;  // the all-ones exponent is infinity and NaNs, as in IEEE
  bool unsigned_zero;  // fnuz: the code of -0 is the only NaN
};

Layout layout_of(DType type) {
  switch (type) {
    case DType::f8e4m3fn: return {3, 7, 448.0f, false, false};
    case DType::f8e4m3fnuz: return {3, 8, 240.0f, false, true};
    case DType::f8e5m2: return {2, 15, 57344.0f, true, false};
    case DType::f8e5m2fnuz: return {2, 16, 57344.0f, false, true};
    case DType::f4e2m1: return {1, 1, 6.0f, false, false};
    default: fail(ErrorCode::unsupported, "element type ", name_of(type), " is not a small float");
  }
}

uint8_t nan_code(DType type) {
  return type == DType::f8e4m3fn ? 0x7f : type == DType::f8e5m2 ? 0x7e : type == DType::f4e2m1 ? 0x07 : 0x80;
}

// Nearest power of two, in the logarithm's rounding of OCP: a tie goes up. NaN for what has no logarithm.
uint8_t encode_exponent(float value, bool saturate) {
  if (!(value > 0)) return value == 0 ? 0 : 0xff;
  if (std::isinf(value)) return saturate ? 0xfe : 0xff;
  int exponent = 0;
  const float mantissa = std::frexp(value, &exponent);  // in [0.5, 1)
  const int code = exponent - 1 + (mantissa >= 0.75f ? 1 : 0) + 127;
  if (code > 0xfe) return saturate ? 0xfe : 0xff;
  return static_cast<uint8_t>(code < 0 ? 0 : code);
}

}  // namespace

bool is_minifloat(DType type) { return is_float(type) && bits_of(type) <= 8; }

float decode_minifloat(DType type, uint8_t code) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (type == DType::f8e8m0) return code == 0xff ? kNan : std::ldexp(1.0f, code - 127);
  const Layout f = layout_of(type);
  const int bits = bits_of(type), magnitude = code & ((1 << (bits - 1)) - 1), sign = (code >> (bits - 1)) & 1;
  if (f.unsigned_zero && code == 0x80) return kNan;
  if (type == DType::f8e4m3fn && magnitude == 0x7f) return kNan;
  const int exponent = magnitude >> f.mantissa, fraction = magnitude & ((1 << f.mantissa) - 1);
  if (f.infinity && exponent == 31 && fraction != 0) return kNan;
  const float value = f.infinity && exponent == 31 ? std::numeric_limits<float>::infinity()
                      : exponent == 0 ? std::ldexp(static_cast<float>(fraction), 1 - f.bias - f.mantissa)
                                      : std::ldexp(static_cast<float>(fraction + (1 << f.mantissa)),
                                                   exponent - f.bias - f.mantissa);
  return sign ? -value : value;
}

uint8_t encode_minifloat(DType type, float value, bool saturate) {
  if (type == DType::f8e8m0) return encode_exponent(value, saturate);
  const Layout f = layout_of(type);
  const int bits = bits_of(type);
  if (std::isnan(value)) return nan_code(type);
  const auto sign = static_cast<uint8_t>(std::signbit(value) ? 1 << (bits - 1) : 0);
  float magnitude = std::abs(value);
  const int least = 1 - f.bias;
  auto step_at = [&](float v) { return std::ldexp(1.0f, std::max(v > 0 ? std::ilogb(v) : least, least) - f.mantissa); };
  if (!std::isinf(magnitude)) magnitude = std::nearbyint(magnitude / step_at(magnitude)) * step_at(magnitude);
  if (magnitude > f.largest) {
    if (!saturate && type != DType::f4e2m1) {
      if (f.unsigned_zero) return 0x80;
      return static_cast<uint8_t>(sign | (f.infinity ? 0x7c : 0x7f));
    }
    magnitude = f.largest;
  }
  if (magnitude == 0) return f.unsigned_zero ? uint8_t{0} : sign;
  const int exponent = std::max(std::ilogb(magnitude), least);
  const auto fraction = static_cast<int>(std::ldexp(magnitude, f.mantissa - exponent));  // with the leading one
  const bool subnormal = fraction < (1 << f.mantissa);
  const int code = subnormal ? fraction : ((exponent + f.bias) << f.mantissa) + fraction - (1 << f.mantissa);
  return static_cast<uint8_t>(sign | code);
}

}  // namespace bitwright
