#include "ops/gemm.hpp"

#include <algorithm>
#include <cstring>

namespace bitwright {
namespace {

// GCC and clang lower this to SSE, NEON or plain scalars: no ISA flag, and no reliance on the auto-vectoriser.
using Float4 = float __attribute__((vector_size(16)));

inline Float4 load(const float* p) {
  Float4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// acc[r][j] = sum over k, a product and an addition per step (no fused multiply-add: -ffp-contract=off).
void tile(const float* a, const float* b, int64_t k, float* out) {
  Float4 c00{}, c01{}, c10{}, c11{}, c20{}, c21{}, c30{}, c31{};
  for (int64_t i = 0; i < k; ++i, a += kGemmRows, b += kGemmCols) {
    const Float4 b0 = load(b), b1 = load(b + 4), row = load(a);
    const Float4 a0 = {row[0], row[0], row[0], row[0]}, a1 = {row[1], row[1], row[1], row[1]};
    const Float4 a2 = {row[2], row[2], row[2], row[2]}, a3 = {row[3], row[3], row[3], row[3]};
    c00 += a0 * b0, c01 += a0 * b1;
    c10 += a1 * b0, c11 += a1 * b1;
    c20 += a2 * b0, c21 += a2 * b1;
    c30 += a3 * b0, c31 += a3 * b1;
  }
  const Float4 all[] = {c00, c01, c10, c11, c20, c21, c30, c31};
  std::memcpy(out, all, sizeof all);
}

// Columns packed at once: as many as keep the packed block within 256 kB (half of a common L2), at most 64.
int64_t panels_per_chunk(int64_t k) {
  return std::clamp<int64_t>((int64_t{64} << 10) / (kGemmCols * std::max<int64_t>(k, 1)), 1, 8);
}

}  // namespace

PackedRows pack_rows(const float* a, int64_t m, int64_t k, int64_t row_stride, int64_t k_stride) {
  PackedRows packed{m, k, {}};
  const int64_t panels = (m + kGemmRows - 1) / kGemmRows;
  packed.data.assign(static_cast<size_t>(panels * kGemmRows * k), 0.0f);
  for (int64_t row = 0; k > 0 && row < m; ++row) {
    float* to = packed.data.data() + row / kGemmRows * kGemmRows * k + row % kGemmRows;
    for (int64_t i = 0; i < k; ++i) to[i * kGemmRows] = a[row * row_stride + i * k_stride];
  }
  return packed;
}

PackColumns pack_from(const float* b, int64_t k, int64_t k_stride, int64_t col_stride) {
  return [=](int64_t begin, int64_t count, float* to) {
    if (k == 0) return;
    const float* from = b + begin * col_stride;
    if (col_stride == 1 && count == kGemmCols) {
      for (int64_t i = 0; i < k; ++i) std::memcpy(to + i * kGemmCols, from + i * k_stride, kGemmCols * sizeof(float));
      return;
    }
    for (int64_t j = 0; j < count; ++j)
      for (int64_t i = 0; i < k; ++i) to[i * kGemmCols + j] = from[i * k_stride + j * col_stride];
  };
}

void gemm(const OpContext& c, const PackedRows& a, int64_t n, const PackColumns& columns, float* dst,
          int64_t dst_stride, const float* row_bias) {
  const int64_t panel_floats = kGemmCols * a.k;
  const int64_t chunk = panels_per_chunk(a.k) * kGemmCols;
  c.parallel(n, chunk, [&](int64_t begin, int64_t end) {
    thread_local std::vector<float> packed;
    const int64_t panels = (end - begin + kGemmCols - 1) / kGemmCols;
    packed.resize(static_cast<size_t>(panels * panel_floats));
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t col = begin + p * kGemmCols;
      columns(col, std::min(kGemmCols, end - col), packed.data() + p * panel_floats);
    }
    float out[kGemmRows * kGemmCols];
    for (int64_t row = 0; row < a.m; row += kGemmRows) {
      const int64_t rows = std::min(kGemmRows, a.m - row);
      for (int64_t p = 0; p < panels; ++p) {
        tile(a.data.data() + row * a.k, packed.data() + p * panel_floats, a.k, out);
        const int64_t col = begin + p * kGemmCols, cols = std::min(kGemmCols, end - col);
        for (int64_t r = 0; r < rows; ++r) {
          const float bias = row_bias ? row_bias[row + r] : 0.0f;
          for (int64_t j = 0; j < cols; ++j) dst[(row + r) * dst_stride + col + j] = out[r * kGemmCols + j] + bias;
        }
      }
    }
  });
}

}  // namespace bitwright
