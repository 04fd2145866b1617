// 2- and 4-bit codes lie one per byte in memory, where kernels and loops reach them, and packed in files: lowest bits
// first, as ONNX and safetensors have it (docs/quantization.md Q6). The last byte is filled up with zero bits.
#pragma once

#include "core/tensor.hpp"

namespace bitwright {

/// codes: i8 or u8 -> the same shape in `file`, one of i4 u4 i2 u2. Throws Error{mismatch} naming the first code that
/// does not fit. pack({1, -8, 7}, DType::i4) has the bytes 0x81 0x07.
Tensor pack(const Tensor& codes, DType file);
/// The inverse: i4 and i2 -> i8, u4 and u2 -> u8; any other tensor comes back as it is.
Tensor unpack(const Tensor& codes);
/// True for i4 u4 i2 u2.
bool is_packed(DType type);

}  // namespace bitwright
