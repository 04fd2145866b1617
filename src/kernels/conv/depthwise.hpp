// Depthwise convolution (groups == c == oc): K is the kernel's taps, and each column has codes of its own. The weights are
// packed as for a matrix product, with the taps in the order of depthwise_taps(), so one packing serves all kernels:
//
//   taps    any shape: one pointer per tap and pixel
//   lines   3x3, 5x5 and 7x7: source lines are copied to buffers where what one load takes lies together, padding in place; the
//           vertical taps of a column, interleaved once, serve all the pixels of a line that see the column
#pragma once

#include <vector>

#include "kernels/dot/dot.hpp"

namespace bitwright {

struct ConvArgs;
struct ConvShape;

bool conv_is_depthwise(const ConvShape& shape);

/// Taps (ky * kw + kx) in groups of 4, -1 where a group is not full: the rows in blocks of 3 or 4, column by column, then the
/// rows that are left, in reading order.
std::vector<int32_t> depthwise_taps(int64_t kh, int64_t kw);

/// Scratch memory that either kind needs.
int64_t depthwise_scratch_bytes(const ConvShape& shape);

/// A tap kernel takes DotArgs with another meaning of `a`: a[r * a_step + t] is where channel 0 of tap t of row r lies, for
/// 4 * k4 taps; those that fill a group have zero weights and may point at anything as long as a pixel. Channels [column,
/// column + columns) are read, never more.
void conv_depthwise(const ConvArgs& args, DotKernel kernel, int64_t row0, int64_t row1) noexcept;

/// What a line kernel computes: `count` pixels of one output line, DotArgs::dst pointing at the first of them.
struct DepthwiseLine {
  static constexpr int64_t kMostRows = 7, kMostGroups = 14;
  const uint8_t* lines[kMostRows];  // source line of each kernel row, from the column of the first pixel's first tap on
  int64_t phase;  // source column x lies at (x % stride) * phase + x / stride * column_bytes(width); 64 bytes more may be read
  int64_t stride, dilation;
  int64_t size;  // of the kernel: 3, 5 or 7
  int64_t count;

  /// Where pixel 0's tap of kernel column k lies; `step` = column_bytes(width).
  BW_INLINE int64_t column(int64_t k, int64_t step) const { return k * dilation % stride * phase + k * dilation / stride * step; }
};
/// Bytes per column for a panel of this width.
constexpr int64_t column_bytes(int32_t width) { return width > 32 ? 64 : width; }

constexpr int64_t kDepthwiseConstantBytes = 8192;
struct DepthwiseLineKernel {
  void (*prepare)(const DotArgs& args, void* constants) noexcept;  // once per panel
  void (*line)(const DotArgs& args, const void* constants, const DepthwiseLine& line) noexcept;
  /// Source columns to a line's: copy_columns() with this instruction set's registers, which is a tenth of the layer's time.
  void (*copy)(uint8_t* to, int64_t to_step, const uint8_t* src, int64_t src_step, int64_t channels, int64_t count) noexcept;
};
bool conv_has_depthwise_lines(const ConvShape& shape);
int64_t depthwise_lines_scratch_bytes(const ConvShape& shape);
void conv_depthwise_lines(const ConvArgs& args, const DepthwiseLineKernel& kernel, int64_t row0, int64_t row1) noexcept;

void depthwise_u8s8_ref(const DotArgs& args) noexcept;
#if defined(__x86_64__)
void depthwise_u8s8_16_avx2(const DotArgs& args) noexcept;
void depthwise_u8s8_64_avx512(const DotArgs& args) noexcept;
extern const DepthwiseLineKernel depthwise_lines_u8s8_64_avx512, depthwise_lines_u8s8_32_avxvnni, depthwise_lines_u8s8_32_avx2;
#endif

}  // namespace bitwright
