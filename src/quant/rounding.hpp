// The two lines all integer quantization rests on, in the form compilers vectorise (docs/quantization.md Q1, Q2).
// Every kernel, observer and exporter rounds through these; a second spelling of them is a bug.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace bitwright {

/// Half-to-even rounding of |v| <= 2^22. Adding 1.5 * 2^23 leaves exactly the integer bits in the mantissa, so the
/// addition itself rounds, by the current (nearest even) mode; SSE2 has no other rounding instruction.
inline int32_t rne_small(float v) { return std::bit_cast<int32_t>(v + 12582912.0f) - 0x4b400000; }

/// Half-to-even rounding of a double of any size that fits int64.
inline int64_t rne(double v) { return std::llrint(v); }

/// v limited to [low, high]; NaN becomes low, as maxss and ONNX Runtime have it.
inline float limit(float v, float low, float high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

/// q = clamp(rne(x / s) + z, qmin, qmax), computed as rne(clamp(x / s, qmin - z, qmax - z)) + z: the same integer,
/// because rounding is monotone and the bounds are integers (Q2). Needs |qmin - z|, |qmax - z| <= 2^22 and s > 0.
inline int32_t quantize_one(float x, float scale, int32_t zero, int32_t qmin, int32_t qmax) {
  const float v = limit(x / scale, static_cast<float>(qmin - zero), static_cast<float>(qmax - zero));
  return rne_small(v) + zero;
}

/// x^ = fl32(fl32(q - z) * s) (Q2).
inline float dequantize_one(int32_t code, float scale, int32_t zero) {
  return static_cast<float>(code - zero) * scale;
}

}  // namespace bitwright
