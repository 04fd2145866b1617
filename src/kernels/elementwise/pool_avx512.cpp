// Pooling over channels, 64 at a time: every tap of a pixel is one cache line. What is left at the end is masked.
#include <immintrin.h>

#include "kernels/elementwise/pool.hpp"

namespace bitwright {
namespace {

BW_INLINE __mmask64 mask_of(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

void max_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, int64_t count, uint8_t* dst) {
  const auto* src = static_cast<const uint8_t*>(p.src) + channel;
  const __mmask64 mask = mask_of(count);
  __m512i most = _mm512_set1_epi8(static_cast<char>(p.requantize.lo));
  for (int64_t i = 0; i < w.y.count; ++i) {
    const uint8_t* tap = src + pool_tap(p, w, i, 0);
    for (int64_t j = 0; j < w.x.count; ++j, tap += p.dilation_w * p.c)
      most = _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(mask, tap));
  }
  most = _mm512_min_epu8(most, _mm512_set1_epi8(static_cast<char>(p.requantize.hi)));
  _mm512_mask_storeu_epi8(dst + channel, mask, most);
}

// Sums of 64 channels in the order that unpacking gives: word lane l of `words[h]` is byte 16 (l / 8) + 8 h + l % 8.
struct Sums {
  __m512i wide[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

  // At most 256 rows of 255 fit 16 bits.
  BW_INLINE void add_words(const __m512i (&words)[2]) {
    const __m512i zero = _mm512_setzero_si512();
    BW_UNROLL
    for (int h = 0; h < 2; ++h) {
      wide[2 * h] = _mm512_add_epi32(wide[2 * h], _mm512_unpacklo_epi16(words[h], zero));
      wide[2 * h + 1] = _mm512_add_epi32(wide[2 * h + 1], _mm512_unpackhi_epi16(words[h], zero));
    }
  }
  void store(int32_t zeros, int32_t* sum) const {
    alignas(64) int32_t lanes[4][16];
    for (int q = 0; q < 4; ++q) _mm512_store_si512(lanes[q], _mm512_sub_epi32(wide[q], _mm512_set1_epi32(zeros)));
    for (int q = 0; q < 4; ++q)
      for (int l = 0; l < 16; ++l) sum[l / 4 * 16 + 4 * q + l % 4] = lanes[q][l];
  }
};

void sum_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, int64_t count, int32_t* sum) {
  const auto* src = static_cast<const uint8_t*>(p.src) + channel;
  const __mmask64 mask = mask_of(count);
  const __m512i zero = _mm512_setzero_si512();
  Sums sums;
  __m512i words[2] = {zero, zero};
  int held = 0;
  for (int64_t i = 0; i < w.y.count; ++i) {
    const uint8_t* tap = src + pool_tap(p, w, i, 0);
    for (int64_t j = 0; j < w.x.count; ++j, tap += p.dilation_w * p.c) {
      const __m512i codes = _mm512_maskz_loadu_epi8(mask, tap);
      words[0] = _mm512_add_epi16(words[0], _mm512_unpacklo_epi8(codes, zero));
      words[1] = _mm512_add_epi16(words[1], _mm512_unpackhi_epi8(codes, zero));
      if (++held < 256) continue;
      sums.add_words(words);
      words[0] = words[1] = zero;
      held = 0;
    }
  }
  sums.add_words(words);
  sums.store(static_cast<int32_t>(w.y.count * w.x.count) * p.src_zero, sum);
}

void requantize_f32(const Requantize& r, int64_t mean, const int32_t* sum, int64_t count, uint8_t* dst) {
  const __m512 m = _mm512_set1_ps(r.m32[mean]);
  const __m512 lo = _mm512_set1_ps(static_cast<float>(r.lo - r.zero_point)),
               hi = _mm512_set1_ps(static_cast<float>(r.hi - r.zero_point));
  for (int64_t i = 0; i < count; i += 16) {
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sum + i)), m);
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi));
    const __m128i codes = _mm512_cvtepi32_epi8(_mm512_add_epi32(rounded, _mm512_set1_epi32(r.zero_point)));
    _mm_mask_storeu_epi8(dst + i, static_cast<__mmask16>(count - i >= 16 ? 0xffff : (1 << (count - i)) - 1), codes);
  }
}

void average_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, int64_t count, uint8_t* dst) {
  alignas(64) int32_t sum[64];
  const int64_t mean = w.count - p.first_count;
  sum_channels(p, w, channel, count, sum);
  if (p.requantize.step == RequantizeStep::f32) {
    requantize_f32(p.requantize, mean, sum, count < 64 ? count : 64, dst + channel);
    return;
  }
  for (int64_t i = 0; i < 64 && i < count; ++i)
    dst[channel + i] = static_cast<uint8_t>(requantize(p.requantize, sum[i], mean));
}

}  // namespace

void max_pool_u8_avx512(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  PoolPixel pixel(p, begin);
  for (int64_t row = begin; row < end; ++row, pixel.next(p)) {
    const PoolWindow w = pool_window(p, pixel);
    for (int64_t c = p.channel0; c < pool_last_channel(p); c += 64)
      max_channels(p, w, c, pool_last_channel(p) - c, static_cast<uint8_t*>(p.dst) + row * p.c);
  }
}

void average_pool_u8_avx512(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  PoolPixel pixel(p, begin);
  for (int64_t row = begin; row < end; ++row, pixel.next(p)) {
    const PoolWindow w = pool_window(p, pixel);
    if (w.count == 0 || w.count > (1 << 23)) {  // nothing to add, or more than int32 holds
      average_pool_ref(p, row, row + 1);
      continue;
    }
    for (int64_t c = p.channel0; c < pool_last_channel(p); c += 64)
      average_channels(p, w, c, pool_last_channel(p) - c, static_cast<uint8_t*>(p.dst) + row * p.c);
  }
}

}  // namespace bitwright
