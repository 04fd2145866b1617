// Floats of 8 and 4 bits, as ONNX stores them (Micikevicius 2022; OCP Microscaling 1.0): from and to f32.
#pragma once

#include <cstdint>

#include "core/tensor.hpp"

namespace bitwright {

/// True for the f8 and f4 types.
bool is_minifloat(DType type);
/// The value of a code. f8e8m0 is 2^(code - 127), 255 is NaN.
float decode_minifloat(DType type, uint8_t code);
/// The nearest code, ties to even. Beyond the largest finite value: that value if `saturate` (infinity too), else
/// infinity where the type has one, else NaN; f4e2m1 always saturates. NaN stays NaN where the type has one.
uint8_t encode_minifloat(DType type, float value, bool saturate);

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
