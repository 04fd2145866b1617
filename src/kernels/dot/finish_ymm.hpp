// From a row's int32 accumulators to its output, 8 columns at a time. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

// Lanes below `count` (1 to 8).
BW_INLINE __m256i lanes(int32_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

BW_INLINE __m256i round_f32(const Requantize& r, __m256i acc, int32_t column) {
  const __m256 lo = _mm256_set1_ps(static_cast<float>(r.lo - r.zero_point)),
               hi = _mm256_set1_ps(static_cast<float>(r.hi - r.zero_point));
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(r.m32 + column));
  return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, lo), hi));
}

BW_INLINE __m128i round_half_f64(const Requantize& r, __m128i acc, int32_t column) {
  const __m256d lo = _mm256_set1_pd(r.lo - r.zero_point), hi = _mm256_set1_pd(r.hi - r.zero_point);
  __m256d v = _mm256_mul_pd(_mm256_cvtepi32_pd(acc), _mm256_loadu_pd(r.m64 + column));
  return _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(v, lo), hi));
}

BW_INLINE __m256i round_f64(const Requantize& r, __m256i acc, int32_t column) {
  const __m128i low = round_half_f64(r, _mm256_castsi256_si128(acc), column);
  return _mm256_set_m128i(round_half_f64(r, _mm256_extracti128_si256(acc, 1), column + 4), low);
}

void store_u8(const DotArgs& d, const int32_t* acc, uint8_t* dst, int32_t column, int32_t count) {
  const Requantize& r = d.requantize;
  if (r.step == RequantizeStep::exact) {
    requantize_u8(r, acc, column, count, dst);
    return;
  }
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc + 8));
  const bool single = r.step == RequantizeStep::f32;
  const __m256i zero = _mm256_set1_epi32(r.zero_point);
  const __m256i p = _mm256_add_epi32(single ? round_f32(r, a, column) : round_f64(r, a, column), zero);
  const __m256i q = _mm256_add_epi32(single ? round_f32(r, b, column + 8) : round_f64(r, b, column + 8), zero);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(p, q), 0xd8);  // packs works within 128-bit halves
  const __m128i codes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  if (count == 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), codes);
    return;
  }
  alignas(16) uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), codes);
  __builtin_memcpy(dst, bytes, static_cast<unsigned>(count));
}

void store_f32(const DotArgs& d, const int32_t* acc, float* dst, int64_t row, int32_t column, __m256i mask) {
  __m256 scale = _mm256_maskload_ps(d.scale + column, mask);
  if (d.row_scale) scale = _mm256_mul_ps(_mm256_set1_ps(d.row_scale[row * d.row_scale_stride]), scale);
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc))), scale);
  if (d.bias) v = _mm256_add_ps(v, _mm256_maskload_ps(d.bias + column, mask));
  _mm256_maskstore_ps(dst, mask, v);
}

// 8 columns of a form with 4-byte elements.
void store_words(const DotArgs& d, const int32_t* acc, int64_t row, int32_t column, int32_t count) {
  const __m256i mask = lanes(count);
  const int64_t at = row * d.dst_stride + column;
  if (d.form == DotForm::f32) {
    store_f32(d, acc, static_cast<float*>(d.dst) + at, row, column, mask);
    return;
  }
  _mm256_maskstore_epi32(static_cast<int32_t*>(d.dst) + at, mask,
                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc)));
}

void subtract_zero(const DotArgs& d, int32_t* acc, int64_t row, int32_t column) {
  const __m256i zero = _mm256_set1_epi32(d.zero[row * d.zero_stride]);
  for (int32_t c = 0; c < 16; c += 8) {
    auto* at = reinterpret_cast<__m256i*>(acc + c);
    const __m256i sum = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.sum + column + c));
    _mm256_storeu_si256(at, _mm256_sub_epi32(_mm256_loadu_si256(at), _mm256_mullo_epi32(zero, sum)));
  }
}

// 16 columns of one row, or as many as the panel has.
BW_NOIPA void finish_row(const DotArgs& d, int64_t row, int32_t column, int32_t* acc) {
  const int32_t count = d.columns - column < 16 ? d.columns - column : 16;
  if (d.zero) subtract_zero(d, acc, row, column);
  if (d.form == DotForm::u8) {
    store_u8(d, acc, static_cast<uint8_t*>(d.dst) + row * d.dst_stride + column, column, count);
    return;
  }
  store_words(d, acc, row, column, count < 8 ? count : 8);
  if (count > 8) store_words(d, acc + 8, row, column + 8, count - 8);
}

}  // namespace
}  // namespace bitwright
