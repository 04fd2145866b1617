// Floats of 16, 8 and 4 bits, as ONNX stores them (IEEE 754; Micikevicius 2022; OCP Microscaling 1.0).
#pragma once

#include <cstdint>

#include "core/tensor.hpp"

namespace bitwright {

/// How a small float is made from an integer number of its quanta (IEEE 754 layout without a sign for `unsigned`).
struct SmallFloat {
  int mantissa_bits, bias;
  uint32_t sign;       // its bit
  uint32_t max_code;   // largest finite magnitude
  uint32_t infinity;   // code, or 0 if there is none
  uint32_t nan;        // code, or 0
  bool negative_zero;
};

/// The layout of f16, bf16, f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz or f4e2m1; nullptr for other types.
const SmallFloat* small_float(DType type);
/// Half to even; above the largest number: that number if `saturate`, else infinity, else NaN.
uint32_t encode_small(const SmallFloat& format, double value, bool saturate);
double decode_small(const SmallFloat& format, uint32_t code);

enum class PowerRounding : uint8_t { up, down, nearest };
/// A power of two as f8e8m0 (2^(code - 127), 255 = NaN).
uint8_t encode_power(double value, PowerRounding rounding, bool saturate);
double decode_power(uint8_t code);

/// True for the f8 and f4 types.
inline bool is_minifloat(DType type) { return is_float(type) && bits_of(type) <= 8; }
/// The value of a code of an f8 or f4 type.
inline float decode_minifloat(DType type, uint8_t code) {
  return static_cast<float>(type == DType::f8e8m0 ? decode_power(code) : decode_small(*small_float(type), code));
}
/// The nearest code (see encode_small; f8e8m0: the nearest power, a tie goes up).
inline uint8_t encode_minifloat(DType type, float value, bool saturate) {
  if (type == DType::f8e8m0) return encode_power(value, PowerRounding::nearest, saturate);
  return static_cast<uint8_t>(encode_small(*small_float(type), value, saturate));
}

/// Element i of a packed (2- or 4-bit) or one-byte tensor as raw bits, and the way back. `bits` is 2, 4 or 8.
inline unsigned load_code(const std::byte* raw, int64_t i, int bits) {
  const int per_byte = 8 / bits;
  return (static_cast<unsigned>(raw[i / per_byte]) >> (static_cast<int>(i % per_byte) * bits)) & ((1u << bits) - 1u);
}
/// The memory must hold zeros there before.
inline void store_code(std::byte* raw, int64_t i, int bits, unsigned code) {
  const int per_byte = 8 / bits;
  raw[i / per_byte] |= static_cast<std::byte>((code & ((1u << bits) - 1u)) << (static_cast<int>(i % per_byte) * bits));
}

}  // namespace bitwright
