// The float matrix product behind Conv, Gemm and MatMul where oneDNN is absent. Every element is one sum over k in rising
// order, whatever the tile or the thread, so results do not depend on the cut and equal the plain triple loop bit for bit.
#pragma once

#include <functional>

#include "ops/op.hpp"

namespace bitwright {

constexpr int64_t kGemmRows = 4;  // register tile: 8 accumulators of 4 floats fill half the 16 SSE registers
constexpr int64_t kGemmCols = 8;

/// The left operand [m, k] in panels of kGemmRows rows, k-major inside: panel p holds row p*4+r, column i at (i*4 + r).
/// The last panel is filled up with zeros.
struct PackedRows {
  int64_t m = 0, k = 0;
  std::vector<float> data;
};
/// a[row * row_stride + i * k_stride] is element (row, i).
PackedRows pack_rows(const float* a, int64_t m, int64_t k, int64_t row_stride, int64_t k_stride);

/// Writes columns [begin, begin + count), count <= kGemmCols, of the right operand [k, n]: to[i * kGemmCols + j];
/// columns from count on are never read back and may hold anything finite.
using PackColumns = std::function<void(int64_t begin, int64_t count, float* to)>;
/// For a right operand in memory: b[i * k_stride + j * col_stride].
PackColumns pack_from(const float* b, int64_t k, int64_t k_stride, int64_t col_stride);

/// dst[row * dst_stride + col] = sum_i a(row, i) * b(i, col) + (row_bias ? row_bias[row] : 0); parallel over columns.
void gemm(const OpContext& c, const PackedRows& a, int64_t n, const PackColumns& columns, float* dst,
          int64_t dst_stride, const float* row_bias = nullptr);

}  // namespace bitwright
