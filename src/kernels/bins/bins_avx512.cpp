#include <immintrin.h>

#include "kernels/attributes.hpp"
#include "kernels/bins/bins.hpp"

namespace bitwright {

BW_NOIPA void scan_avx512(const float* x, int64_t n, ScanLanes& lanes) noexcept {
  __m512 low = _mm512_loadu_ps(lanes.low), high = _mm512_loadu_ps(lanes.high), residue = _mm512_loadu_ps(lanes.residue);
  const __m512 zero = _mm512_setzero_ps();
  int64_t i = 0, zeros = 0;
  for (; i + kScanLanes <= n; i += kScanLanes) {
    const __m512 v = _mm512_loadu_ps(x + i);
    low = _mm512_min_ps(v, low);  // the second operand where they are equal or one is NaN
    high = _mm512_max_ps(v, high);
    residue = _mm512_add_ps(residue, _mm512_sub_ps(v, v));
    zeros += __builtin_popcount(_mm512_cmp_ps_mask(v, zero, _CMP_EQ_OQ));
  }
  _mm512_storeu_ps(lanes.low, low), _mm512_storeu_ps(lanes.high, high), _mm512_storeu_ps(lanes.residue, residue);
  lanes.zeros += static_cast<uint64_t>(zeros);
  if (i < n) scan_ref(x + i, n - i, lanes);
}

/// Compressed in a register and stored whole: compressing into memory is slow on some processors.
BW_NOIPA int64_t bins_avx512(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept {
  const __m512 inverse = _mm512_set1_ps(inverse_width), zero = _mm512_setzero_ps();
  const __m512i first = _mm512_set1_epi32(base);
  int64_t i = 0, made = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 v = _mm512_loadu_ps(x + i);
    const __mmask16 counts = _mm512_cmp_ps_mask(v, zero, _CMP_NEQ_UQ);
    const __m512i at = _mm512_sub_epi32(_mm512_cvt_roundps_epi32(_mm512_mul_ps(v, inverse), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC), first);
    _mm512_storeu_si512(index + made, _mm512_maskz_compress_epi32(counts, at));
    made += __builtin_popcount(counts);
  }
  return made + bins_ref(x + i, n - i, inverse_width, base, index + made);
}

}  // namespace bitwright
