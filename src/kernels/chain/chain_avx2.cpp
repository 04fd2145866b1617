// 4 rows by 16 columns: 8 accumulators, as many as hide the latency of FMA (4 to 5 cycles, 2 a cycle). Columns beyond
// the last whole 8 are loaded and stored under a mask.
#include <immintrin.h>

#include "kernels/attributes.hpp"
#include "kernels/chain/chain.hpp"

namespace bitwright {
namespace {

constexpr int kRows = 4, kVectors = 2, kColumns = 8 * kVectors;

struct Tile {
  int64_t row, column;
  __m256i mask[kVectors];
};

BW_INLINE __m256i first_lanes(int64_t count) {
  const auto most = static_cast<int32_t>(count < 0 ? 0 : count < 8 ? count : 8);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(most), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// One block of k for `rows` rows (the others repeat the last and are not stored).
BW_INLINE void block(const ChainArgs& p, const Tile& tile, int rows, int64_t k0, int64_t k1) {
  __m256 sum[kRows][kVectors];
  BW_UNROLL
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm256_setzero_ps();
  const float* a[kRows];
  for (int r = 0; r < kRows; ++r) a[r] = p.a + (tile.row + (r < rows ? r : rows - 1)) * p.k;
  const float* b = p.b + k0 * p.b_stride + tile.column;
  for (int64_t k = k0; k < k1; ++k, b += p.b_stride) {
    const __m256 right[kVectors] = {_mm256_maskload_ps(b, tile.mask[0]), _mm256_maskload_ps(b + 8, tile.mask[1])};
    BW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m256 left = _mm256_broadcast_ss(a[r] + k);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm256_fmadd_ps(left, right[v], sum[r][v]);
    }
  }
  // A copy: sums that are read by a variable row would be stored in every turn.
  __m256 sums[kRows][kVectors];
  BW_UNROLL
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sums[r][v] = sum[r][v];
  for (int r = 0; r < rows; ++r) {
    float* dst = p.dst + (tile.row + r) * p.dst_stride + tile.column;
    for (int v = 0; v < kVectors; ++v) {
      __m256 y = sums[r][v];
      if (k0 > 0) y = _mm256_add_ps(_mm256_maskload_ps(dst + 8 * v, tile.mask[v]), y);
      if (k1 == p.k && p.bias) y = _mm256_add_ps(y, _mm256_set1_ps(p.bias[tile.row + r]));
      _mm256_maskstore_ps(dst + 8 * v, tile.mask[v], y);
    }
  }
}

}  // namespace

BW_NOIPA void chain_avx2(const ChainArgs& args) noexcept {
  if (args.k == 0) return chain_ref(args);
  for (int64_t k0 = 0; k0 < args.k; k0 += args.block) {
    const int64_t k1 = k0 + args.block < args.k ? k0 + args.block : args.k;
    for (int64_t row = 0; row < args.m; row += kRows)
      for (int64_t column = 0; column < args.n; column += kColumns) {
        const Tile tile{row, column, {first_lanes(args.n - column), first_lanes(args.n - column - 8)}};
        block(args, tile, static_cast<int>(args.m - row < kRows ? args.m - row : kRows), k0, k1);
      }
  }
}

}  // namespace bitwright
