// 10 x 64 sums in 32 registers: the compiler has to spill.
#include <immintrin.h>

#include <cstdint>

void too_many_sums(const uint8_t* const* a, const int8_t* b, int64_t groups, int32_t* dst);
void too_many_sums(const uint8_t* const* a, const int8_t* b, int64_t groups, int32_t* dst) {
  __m512i sum[10][4] = {};
  for (int64_t k = 0; k < groups; ++k, b += 256) {
#pragma GCC unroll 16
    for (int m = 0; m < 10; ++m) {
      int32_t word;
      __builtin_memcpy(&word, a[m] + 4 * k, 4);
#pragma GCC unroll 16
      for (int j = 0; j < 4; ++j)
        sum[m][j] = _mm512_dpbusd_epi32(sum[m][j], _mm512_set1_epi32(word), _mm512_loadu_si512(b + 64 * j));
    }
  }
  for (int i = 0; i < 40; ++i) _mm512_storeu_si512(dst + 16 * i, sum[i / 4][i % 4]);
}
