// AVX2: the bytes of 4 taps of 16 channels are interleaved to 4 taps per lane, then multiplied as in the dense kernels.
#include <immintrin.h>

#include "kernels/conv/depthwise.hpp"
#include "kernels/dot/finish_ymm.hpp"
#include "kernels/dot/step_avx2.hpp"

namespace bitwright {
namespace {

BW_INLINE __m128i load16(const uint8_t* p, int32_t count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint8_t bytes[16] = {};
  __builtin_memcpy(bytes, p, static_cast<unsigned>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

struct Taps {
  __m256i low, high;  // channels 0 to 7 and 8 to 15, 4 taps each
};

BW_INLINE Taps interleave(const uint8_t* const* tap, int64_t channel, int32_t count) {
  const __m128i t0 = load16(tap[0] + channel, count), t1 = load16(tap[1] + channel, count);
  const __m128i t2 = load16(tap[2] + channel, count), t3 = load16(tap[3] + channel, count);
  const __m128i a = _mm_unpacklo_epi8(t0, t1), b = _mm_unpackhi_epi8(t0, t1);
  const __m128i c = _mm_unpacklo_epi8(t2, t3), d = _mm_unpackhi_epi8(t2, t3);
  return {_mm256_set_m128i(_mm_unpackhi_epi16(a, c), _mm_unpacklo_epi16(a, c)),
          _mm256_set_m128i(_mm_unpackhi_epi16(b, d), _mm_unpacklo_epi16(b, d))};
}

BW_NOIPA void sum16(const DotArgs& d, int64_t row, int32_t c, int32_t* sum) {
  const uint8_t* const* taps = d.a + row * d.a_step;
  const int32_t count = d.columns - c;
  __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.offset + c));
  __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.offset + c + 8));
  const int8_t* b = d.b + int64_t{c} * 4;
  for (int64_t k = 0; k < d.k4; ++k, b += int64_t{d.width} * 4) {
    const Taps x = interleave(taps + 4 * k, d.column + c, count);
    low = Widened::add(low, unsigned_halves(x.low), Widened::load(b));
    high = Widened::add(high, unsigned_halves(x.high), Widened::load(b + 32));
  }
  _mm256_store_si256(reinterpret_cast<__m256i*>(sum), low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(sum + 8), high);
}

}  // namespace

void depthwise_u8s8_16_avx2(const DotArgs& d) noexcept {
  alignas(32) int32_t sum[16];
  for (int64_t row = 0; row < d.rows; ++row)
    for (int32_t c = 0; c < d.columns; c += 16) {
      sum16(d, row, c, sum);
      finish_row(d, row, c, sum);
    }
}

}  // namespace bitwright
