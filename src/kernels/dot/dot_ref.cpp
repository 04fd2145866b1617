// The packed loop without vectors: what the vector kernels are tested against, and what every machine can run.
#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

// Sums may wrap and come back: unsigned arithmetic.
uint32_t dot(const DotArgs& d, int64_t row, int32_t column) {
  uint32_t acc = static_cast<uint32_t>(d.offset[column]);
  const int64_t k = 4 * d.k4 + d.tail, groups = d.k4 + (d.tail > 0);
  for (int64_t s = 0; s < d.segments; ++s) {
    const uint8_t* a = d.a[s * d.a_step + row];
    const int8_t* b = d.b + (s * groups * d.width + column) * 4;
    for (int64_t i = 0; i < k; ++i) acc += static_cast<uint32_t>(a[i] * b[i / 4 * d.width * 4 + i % 4]);
  }
  return acc;
}

float dequantized(const DotArgs& d, int64_t row, int32_t column, int32_t acc) {
  const float scale = d.row_scale ? d.row_scale[row * d.row_scale_stride] * d.scale[column] : d.scale[column];
  const float product = static_cast<float>(acc) * scale;
  return d.bias ? product + d.bias[column] : product;
}

}  // namespace

void dot_finish_ref(const DotArgs& d, int64_t row, int32_t column, uint32_t sum) noexcept {
  if (d.zero) sum -= static_cast<uint32_t>(d.zero[row * d.zero_stride]) * static_cast<uint32_t>(d.sum[column]);
  const int32_t acc = static_cast<int32_t>(sum);
  const int64_t at = row * d.dst_stride + column;
  if (d.form == DotForm::i32)
    static_cast<int32_t*>(d.dst)[at] = acc;
  else if (d.form == DotForm::f32)
    static_cast<float*>(d.dst)[at] = dequantized(d, row, column, acc);
  else
    static_cast<uint8_t*>(d.dst)[at] = static_cast<uint8_t>(requantize(d.requantize, acc, column));
}

void dot_u8s8_ref(const DotArgs& d) noexcept {
  for (int64_t r = 0; r < d.rows; ++r)
    for (int32_t c = 0; c < d.columns; ++c) dot_finish_ref(d, r, c, dot(d, r, c));
}

}  // namespace bitwright
