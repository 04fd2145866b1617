#include <immintrin.h>

#include "kernels/attributes.hpp"
#include "kernels/bins/bins.hpp"

namespace bitwright {

BW_NOIPA void scan_avx2(const float* x, int64_t n, ScanLanes& lanes) noexcept {
  __m256 low[2], high[2], residue[2];
  for (int k = 0; k < 2; ++k) {
    low[k] = _mm256_loadu_ps(lanes.low + 8 * k), high[k] = _mm256_loadu_ps(lanes.high + 8 * k);
    residue[k] = _mm256_loadu_ps(lanes.residue + 8 * k);
  }
  const __m256 zero = _mm256_setzero_ps();
  int64_t i = 0, zeros = 0;
  for (; i + kScanLanes <= n; i += kScanLanes)
    for (int k = 0; k < 2; ++k) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * k);
      low[k] = _mm256_min_ps(v, low[k]);  // the second operand where they are equal or one is NaN
      high[k] = _mm256_max_ps(v, high[k]);
      residue[k] = _mm256_add_ps(residue[k], _mm256_sub_ps(v, v));
      zeros += __builtin_popcount(static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(v, zero, _CMP_EQ_OQ))));
    }
  for (int k = 0; k < 2; ++k) {
    _mm256_storeu_ps(lanes.low + 8 * k, low[k]), _mm256_storeu_ps(lanes.high + 8 * k, high[k]);
    _mm256_storeu_ps(lanes.residue + 8 * k, residue[k]);
  }
  lanes.zeros += static_cast<uint64_t>(zeros);
  if (i < n) scan_ref(x + i, n - i, lanes);
}

BW_NOIPA int64_t bins_avx2(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept {
  const __m256 inverse = _mm256_set1_ps(inverse_width);
  const __m256i first = _mm256_set1_epi32(base);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 t = _mm256_floor_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(index + i), _mm256_sub_epi32(_mm256_cvttps_epi32(t), first));
  }
  return i + bins_ref(x + i, n - i, inverse_width, base, index + i);
}

}  // namespace bitwright
