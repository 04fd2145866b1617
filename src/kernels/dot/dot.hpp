// The one inner loop of convolutions and matrix products: some rows of unsigned 8-bit codes times one packed panel of
// signed 8-bit weights (pack.hpp). The callers only say where each row's bytes are, one pointer per segment, so that a
// convolution needs no im2col. What instruction-set files see: plain data, no library.
#pragma once

#include <cstdint>

#include "kernels/attributes.hpp"
#include "kernels/requantize/requantize.hpp"

namespace bitwright {

enum class DotForm : uint8_t { u8, i32, f32 };

struct DotArgs {
  // Row r of segment s: a[s * a_step + r], of which 4 * k4 + tail bytes are read, never more.
  const uint8_t* const* a;
  int64_t a_step;
  int64_t rows;
  int64_t segments;
  int64_t k4;       // whole groups of 4
  int32_t tail;     // 0 to 3 bytes more, only with one segment; the panel has one more group for them
  const int8_t* b;  // the panel
  const int8_t* next;  // null, or the panel that will be read after it: a kernel may fetch it meanwhile
  int64_t column;   // its first column
  int32_t width;    // 16, 32, 48, 64
  int32_t columns;  // real ones
  bool pairs_fit;   // see PackedPanel

  // The rest points at the panel's first column; offset, sum and the multipliers may be read to `width`, scale and
  // bias to `columns` only.
  const int32_t* offset;
  const int32_t* sum;
  const int32_t* zero;  // null, or: zero[r * zero_stride] * sum[column] is subtracted
  int64_t zero_stride;
  DotForm form;
  void* dst;
  int64_t dst_stride;  // elements
  Requantize requantize;
  const float* scale;  // see Dequantize
  const float* row_scale;
  int64_t row_scale_stride;
  const float* bias;
};

using DotKernel = void (*)(const DotArgs& args) noexcept;

/// The last `tail` bytes of rows [row, row + rows), zeros behind them.
BW_INLINE void dot_tail_words(const DotArgs& args, int64_t row, int64_t rows, uint32_t* words) {
  const int64_t at = 4 * args.k4;
  for (int64_t r = 0; r < rows; ++r) {
    const uint8_t* p = args.a[row + r] + at;
    words[r] = p[0];
    if (args.tail > 1) words[r] |= static_cast<uint32_t>(p[1]) << 8;
    if (args.tail > 2) words[r] |= static_cast<uint32_t>(p[2]) << 16;
  }
}

/// The part from row `row` on.
BW_INLINE DotArgs dot_rows(DotArgs d, int64_t row) {
  const int64_t element = d.form == DotForm::u8 ? 1 : 4;
  d.a += row;
  d.rows -= row;
  d.dst = static_cast<char*>(d.dst) + row * d.dst_stride * element;
  if (d.zero) d.zero += row * d.zero_stride;
  if (d.row_scale) d.row_scale += row * d.row_scale_stride;
  return d;
}

/// Columns [column, column + most) as far as there are any, but `b` and `width` still those of the whole panel.
BW_INLINE DotArgs dot_columns(DotArgs d, int32_t column, int32_t most) {
  const int64_t element = d.form == DotForm::u8 ? 1 : 4;
  d.column += column;
  d.columns = d.columns - column < most ? d.columns - column : most;
  d.offset += column;
  d.sum += column;
  d.dst = static_cast<char*>(d.dst) + column * element;
  if (d.form == DotForm::u8) {
    d.requantize.m32 += column;
    if (d.requantize.m64) d.requantize.m64 += column;
    if (d.requantize.ratio) d.requantize.ratio += column;
  }
  if (d.scale) d.scale += column;
  if (d.bias) d.bias += column;
  return d;
}

/// What follows the sum (modulo 2^32) of one element, without vectors.
void dot_finish_ref(const DotArgs& args, int64_t row, int32_t column, uint32_t sum) noexcept;

#define BW_DOT(isa, name, ...) void name(const DotArgs& args) noexcept;
#include "kernels/dot/kernels.inc"
#undef BW_DOT

}  // namespace bitwright
