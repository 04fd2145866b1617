// Codes as the integer operators read them, and the arithmetic that brings accumulators back to codes.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// All elements of an integer tensor of at most 32 bits, packed types included.
std::vector<int32_t> codes_of(const Tensor& tensor);
/// Codes of input i less its zero point, which is input `zero`: one for all, or one per index of `axis` (-1: refuse that).
/// Error{malformed} for a zero point of another type or count.
std::vector<int32_t> centred_codes(const OpContext& c, size_t i, size_t zero, int64_t axis);
/// Smallest and largest code of an integer type of at most 32 bits.
std::pair<int64_t, int64_t> code_range(DType type);

/// q = clamp(rne(float(acc) * m) + z) with m = fl32(fl32(sx * sw) / sy): profile `ort` (DESIGN.md, contract item 3).
struct Requantize {
  std::vector<float> multiplier;  // one, or one per channel
  int32_t zero;
  DType type;
  int32_t code(int64_t acc, int64_t channel) const;
};
/// Reads it from inputs sx, sw (one or per channel), sy, zy. Error{malformed} names the node.
Requantize read_requantize(const OpContext& c, size_t sx, size_t sw, size_t sy, size_t zy);

}  // namespace bitwright
