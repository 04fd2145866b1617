// Weights for the 8-bit dot-product kernels, packed once and read by every instruction set.
//
// The K axis is cut into `segments` (a convolution's kernel rows; 1 for a matrix product) of k bytes, each padded with
// zero weights to whole groups of 4, because VNNI multiplies 4 bytes per lane. The N axis is cut into panels of 64
// columns, the last one of a group narrower (16, 32 or 48). A panel is [segment][k4][width][4]: 256 bytes per step of 4
// in K, which 4 zmm loads, 8 ymm loads or an AMX tile with stride 256 read in order.
//
// With x = qx - zx the sum over k of x * w is sum(qx * w) - zx * sum(w): the second term is folded into `offset`, so
// the loops see unsigned codes and never shift. Partial sums may wrap in int32; arithmetic modulo 2^32 is exact
// whenever the final sum fits, which `reach` proves from the actual weights.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.hpp"
#include "kernels/dot/sums.hpp"
#include "kernels/requantize/proof.hpp"

namespace bitwright {

/// What is known of the activations at pack time.
struct SrcCodes {
  int32_t zero = 0;          // folded into the offset
  int32_t lo = 0, hi = 255;  // codes that occur
  bool dynamic =
      false;  // the zero point is only known at run time: `zero` must be 0, reach covers every zero in [lo, hi]
};

struct PackedPanel {
  int64_t at;       // byte offset in `bytes`
  int64_t column;   // first column, counted over all groups
  int32_t width;    // 16, 32, 48, 64
  int32_t columns;  // real ones, <= width
  bool pairs_fit;   // no |qx0 w0 + qx1 w1| can exceed int16: AVX2 may use the saturating vpmaddubsw
};

/// Transposed convolutions (conv/transposed.hpp): the segments that one kind of output pixel sees, and what their weights alone
/// add up to.
struct PackedPhase {
  int64_t segment, segments;         // the first, how many
  std::vector<int32_t> sum, offset;  // as in PackedWeights
};

struct PackedWeights {
  int64_t groups = 1, columns = 0;  // columns of all groups together
  int64_t segments = 1, k = 0;      // k: real bytes per segment
  Tensor bytes;                     // i8, 64-byte aligned
  std::vector<PackedPanel> panels;  // group by group
  std::vector<int32_t> sum;         // [columns + 64] sum of the weights
  std::vector<int32_t> offset;      // [columns + 64] bias - zero * sum
  std::vector<Reach> reach;         // [columns] accumulators that can occur
  std::vector<int32_t> taps;        // depthwise: the tap that each k stands for, -1 where there is none; transposed: each segment
  std::vector<PackedPhase> phases;  // transposed
  int32_t src_zero = 0;             // folded into offset
  bool fits_int32 = true;           // every reach fits; else int64 is needed and no fast kernel may run

  int64_t k4() const { return (k + 3) / 4; }
};

/// Which panels a call computes; by default all of them.
struct PanelRange {
  int64_t begin = 0, end = INT64_MAX;
  int64_t then = -1;  // the panel that another call is about to read
  std::span<const PackedPanel> of(const PackedWeights& packed) const {
    const auto count = static_cast<int64_t>(packed.panels.size());
    return std::span(packed.panels).subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(end, count) - begin));
  }
};

/// The columns of some panels of one call.
struct ColumnRange {
  int64_t begin, end;
};
inline ColumnRange columns_of(const PackedWeights& packed, PanelRange range) {
  const auto panels = range.of(packed);
  return panels.empty() ? ColumnRange{0, 0} : ColumnRange{panels.front().column, panels.back().column + panels.back().columns};
}

/// The accumulators one column can reach, from its bias and weights: each weight with the worst code, and with none
/// (padding), so that every partial sum lies within as well.
Reach reach_of(SrcCodes src, int64_t bias, SignedSums weights);

bool fits_int32(const std::vector<Reach>& reach);

/// Weight k of a segment of a column (counted over all groups), by strides in elements.
struct WeightSource {
  const int8_t* data;
  int64_t column_stride, segment_stride, k_stride;
};
/// What pack_matmul and pack_conv call. bias: one per column, or null.
PackedWeights pack_weights(int64_t groups, int64_t columns, int64_t segments, int64_t k, WeightSource from,
                           const int32_t* bias, SrcCodes src);

}  // namespace bitwright
