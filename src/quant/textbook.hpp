// The quantizer as a course teaches it (reference/mission.md A0.2-A0.8, A1.15, A3.9): one vector, its own range, one
// rounding of x / s + Z. It is kept apart from Scheme because it breaks two of our constraints on purpose: zero need not
// have a code (Q3), and the "clip" mode wastes half of its range; both are there to be compared with, not to be used.
#pragma once

#include "quant/scheme.hpp"

namespace bitwright {

/// normal: the range is spread over the 2^n codes. clip: over [-2^n, 2^n - 1], then clamped to the codes.
enum class Mode : uint8_t { normal, clip };

/// s = (max - min) / (b - a), Z = rne(a - min / s) for signed codes of `bits` (2 ... 16); normal [a, b] are all codes, clip
/// twice as many. Throws Error{usage} for other widths, Error{numeric} for an empty or not finite vector.
QParams choose_qparams(std::span<const float> values, Mode mode, int bits = 8);

struct QuantizedTensor {
  Tensor codes;  // i8 or i16
  float scale;
  int32_t zero_point;  // x = (q - zero_point) * scale

  /// The integers, in the shape of the source.
  Tensor int_repr() const { return codes; }
  /// (q - Z) * s in f32.
  Tensor dequantize() const;
};

/// q = clamp(rne(x / s + Z)), rounded once. values: any shape, f32.
QuantizedTensor quantize(const Tensor& values, Mode mode, int bits = 8);

/// The other sign convention x = s (q + z) of A1.15: z is the negative of ours, and q = rne(x / s - z).
inline QParams plus_convention(QParams q) { return {q.scale, -q.zero}; }

}  // namespace bitwright
