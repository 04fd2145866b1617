// From an integer accumulator to a code of the output tensor: the one step of integer inference that rounds. What it
// computes is fixed by the model's profile; how, by a step a kernel can do fast. Both are non-decreasing step functions
// of the accumulator, so a few hundred evaluations per channel prove them equal on every reachable input (proof.hpp).
// This header is what kernels see: plain data, no ownership.
#pragma once

#include <cstdint>

namespace bitwright {

/// What the code of an accumulator is, with M = sx * sw / sy:
///   ort     clamp(rne(fl32(fl32(acc) * m)) + zy), m = fl32(fl32(sx * sw) / sy): ONNX Runtime's fused kernels
///   real    clamp(rne(acc * M) + zy), of the exact real number, the float32 scales read as reals
///   tflite  gemmlowp's two roundings: saturating doubling high multiply, then rounding shift (both half away from
///   zero)
enum class RequantizeProfile : uint8_t { ort, real, tflite };

/// How a kernel gets there: one float or double product, or the profile's own definition.
enum class RequantizeStep : uint8_t { f32, f64, exact };

/// M of one channel for the definitions of `real` and `tflite`.
struct RequantizeRatio {
  // M = numerator * 2^exponent / denominator; numerator < 2^48, 0 < denominator < 2^48
  uint64_t numerator;
  uint64_t denominator;
  int32_t exponent;
  // M ~ multiplier * 2^(shift - 31), 2^30 <= multiplier < 2^31 or both 0
  int32_t shift;
  int32_t multiplier;
};

/// Per channel: arrays hold 64 entries more than there are channels, so that vectors may be read past the last one.
struct Requantize {
  const float* m32 = nullptr;
  const double* m64 = nullptr;           // null where the step and the profile read none, as ratio
  const RequantizeRatio* ratio = nullptr;
  int32_t zero_point = 0;
  int32_t lo = 0, hi = 255;  // codes; a fused ReLU raises lo to the zero point
  RequantizeProfile profile = RequantizeProfile::ort;
  RequantizeStep step = RequantizeStep::f32;
  /// No reachable accumulator's fl32(acc * m32) leaves int32: a kernel need not clamp before it converts.
  bool bounded = false;
};

/// The code of `acc` in `channel` by the step of `r`; any int64 is allowed (results saturate).
int32_t requantize(const Requantize& r, int64_t acc, int64_t channel) noexcept;
/// The same by the profile's definition.
int32_t requantize_exact(const Requantize& r, int64_t acc, int64_t channel) noexcept;
/// Codes of `count` accumulators of consecutive channels, stored as u8; what vector kernels call for the step `exact`.
void requantize_u8(const Requantize& r, const int32_t* acc, int64_t channel, int64_t count, uint8_t* dst) noexcept;

}  // namespace bitwright
