// A sum that is stored on the stack in every turn, and never loaded before the end.
#include <immintrin.h>

#include <cstdint>

float stored_sum(const float* a, const float* b, int64_t count);
float stored_sum(const float* a, const float* b, int64_t count) {
  volatile __m256 seen;
  __m256 sum = _mm256_setzero_ps();
  for (int64_t i = 0; i < count; i += 8) {
    sum = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum);
    seen = sum;
  }
  const __m256 last = seen;
  return last[0];
}
