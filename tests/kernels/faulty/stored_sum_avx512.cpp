// A sum that is stored on the stack in every turn, and never loaded before the end.
#include <immintrin.h>

#include <cstdint>

void stored_sum(const uint8_t* a, const int8_t* b, int64_t count, int32_t* dst);
void stored_sum(const uint8_t* a, const int8_t* b, int64_t count, int32_t* dst) {
  volatile __m512i seen;
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 64) {
    sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
    seen = sum;
  }
  const __m512i last = seen;
  _mm512_storeu_si512(dst, last);
}
