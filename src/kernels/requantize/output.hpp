// Where the accumulators of a convolution or a matrix product go, and in which form.
#pragma once

#include "core/dtype.hpp"
#include "kernels/requantize/requantize.hpp"

namespace bitwright {

/// y[r][c] = fl32(fl32(fl32(acc) * fl32(row_scale[r * row_stride] * scale[c])) + bias[c]). Dynamic quantization: scale
/// is the weights', row_scale the activations' (row_stride 0: one for the tensor, 1: one per row). Null row_scale means
/// 1, null bias none (no addition is made then).
struct Dequantize {
  const float* scale = nullptr;  // one per channel
  const float* row_scale = nullptr;
  int64_t row_stride = 0;
  const float* bias = nullptr;
};

struct Output {
  /// u8, i8, u16, i16: codes by `requantize`. i32, i64: the accumulators. f32: by `dequantize`.
  DType type = DType::u8;
  void* data = nullptr;  // [rows, channels]
  int64_t stride = 0;    // elements from one row to the next
  Requantize requantize;
  Dequantize dequantize;
};

/// Stores one accumulator; for the references and for what no vector kernel covers.
void store(const Output& out, int64_t row, int64_t channel, int64_t acc) noexcept;

}  // namespace bitwright
