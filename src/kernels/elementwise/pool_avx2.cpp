// Pooling over channels: 32 at a time, the remaining ones in a padded copy of each tap.
#include <immintrin.h>

#include "kernels/elementwise/pool.hpp"

namespace bitwright {
namespace {

BW_INLINE __m256i load(const uint8_t* p, int64_t count) {
  if (count >= 32) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  alignas(32) uint8_t bytes[32] = {};
  __builtin_memcpy(bytes, p, static_cast<unsigned long>(count));
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
}

BW_INLINE void store(uint8_t* p, __m256i codes, int64_t count) {
  if (count >= 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), codes);
    return;
  }
  alignas(32) uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), codes);
  __builtin_memcpy(p, bytes, static_cast<unsigned long>(count));
}

void max_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, uint8_t* dst) {
  const auto* src = static_cast<const uint8_t*>(p.src) + channel;
  const int64_t count = pool_last_channel(p) - channel;
  __m256i most = _mm256_set1_epi8(static_cast<char>(p.requantize.lo));
  for (int64_t i = 0; i < w.y.count; ++i)
    for (int64_t j = 0; j < w.x.count; ++j) most = _mm256_max_epu8(most, load(src + pool_tap(p, w, i, j), count));
  store(dst + channel, _mm256_min_epu8(most, _mm256_set1_epi8(static_cast<char>(p.requantize.hi))), count);
}

// Sums of 32 channels; 65536 / 256 rows of 255 fit 16 bits, so the inner loop adds words.
void sum_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, int32_t* sum) {
  const auto* src = static_cast<const uint8_t*>(p.src) + channel;
  const int64_t count = pool_last_channel(p) - channel;
  __m256i wide[4] = {};
  for (int64_t i = 0; i < w.y.count; ++i)
    for (int64_t j0 = 0; j0 < w.x.count; j0 += 256) {
      __m256i words[2] = {};
      for (int64_t j = j0; j < w.x.count && j < j0 + 256; ++j) {
        const __m256i codes = load(src + pool_tap(p, w, i, j), count);
        words[0] = _mm256_add_epi16(words[0], _mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)));
        words[1] = _mm256_add_epi16(words[1], _mm256_cvtepu8_epi16(_mm256_extracti128_si256(codes, 1)));
      }
      for (int h = 0; h < 2; ++h) {
        wide[2 * h] = _mm256_add_epi32(wide[2 * h], _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words[h])));
        wide[2 * h + 1] =
            _mm256_add_epi32(wide[2 * h + 1], _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words[h], 1)));
      }
    }
  const __m256i zero = _mm256_set1_epi32(static_cast<int32_t>(w.y.count * w.x.count) * p.src_zero);
  for (int h = 0; h < 4; ++h)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sum + 8 * h), _mm256_sub_epi32(wide[h], zero));
}

void requantize_f32(const Requantize& r, int64_t mean, const int32_t* sum, int64_t count, uint8_t* dst) {
  const __m256 m = _mm256_set1_ps(r.m32[mean]);
  const __m256 lo = _mm256_set1_ps(static_cast<float>(r.lo - r.zero_point)),
               hi = _mm256_set1_ps(static_cast<float>(r.hi - r.zero_point));
  alignas(32) int32_t codes[8];
  for (int64_t i = 0; i < count; i += 8) {
    const __m256 v =
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sum + i))), m);
    const __m256i rounded = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, lo), hi));
    _mm256_store_si256(reinterpret_cast<__m256i*>(codes), _mm256_add_epi32(rounded, _mm256_set1_epi32(r.zero_point)));
    for (int64_t k = 0; k < 8 && i + k < count; ++k) dst[i + k] = static_cast<uint8_t>(codes[k]);
  }
}

void average_channels(const PoolArgs& p, const PoolWindow& w, int64_t channel, uint8_t* dst) {
  alignas(32) int32_t sum[32];
  const int64_t left = pool_last_channel(p) - channel, count = left < 32 ? left : 32, mean = w.count - p.first_count;
  sum_channels(p, w, channel, sum);
  if (p.requantize.step == RequantizeStep::f32) {
    requantize_f32(p.requantize, mean, sum, count, dst + channel);
    return;
  }
  for (int64_t i = 0; i < count; ++i) dst[channel + i] = static_cast<uint8_t>(requantize(p.requantize, sum[i], mean));
}

}  // namespace

void max_pool_u8_avx2(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  PoolPixel pixel(p, begin);
  for (int64_t row = begin; row < end; ++row, pixel.next(p)) {
    const PoolWindow w = pool_window(p, pixel);
    for (int64_t c = p.channel0; c < pool_last_channel(p); c += 32) max_channels(p, w, c, static_cast<uint8_t*>(p.dst) + row * p.c);
  }
}

void average_pool_u8_avx2(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  PoolPixel pixel(p, begin);
  for (int64_t row = begin; row < end; ++row, pixel.next(p)) {
    const PoolWindow w = pool_window(p, pixel);
    if (w.count == 0 || w.count > (1 << 23)) {  // nothing to add, or more than int32 holds
      average_pool_ref(p, row, row + 1);
      continue;
    }
    for (int64_t c = p.channel0; c < pool_last_channel(p); c += 32) average_channels(p, w, c, static_cast<uint8_t*>(p.dst) + row * p.c);
  }
}

}  // namespace bitwright
