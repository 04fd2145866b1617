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

// The first `count` of 16 codes, by the bits of count.
BW_INLINE void store_codes(uint8_t* dst, __m128i codes, int32_t count) {
  if (count >= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), codes);
    return;
  }
  if (count & 8) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(dst), codes);
    codes = _mm_srli_si128(codes, 8);
    dst += 8;
  }
  auto word = static_cast<uint64_t>(_mm_cvtsi128_si64(codes));
  if (count & 4) {
    __builtin_memcpy(dst, &word, 4);
    word >>= 32;
    dst += 4;
  }
  for (int32_t i = 0; i < (count & 3); ++i, word >>= 8) dst[i] = static_cast<uint8_t>(word);
}

// 32 codes by one float product each: saturating packs do most of the clamp, and one permutation puts them in order.
struct PackedCodesF32 {
  __m256 most;
  __m256i zero, lo, hi, order;
  BW_INLINE explicit PackedCodesF32(const Requantize& r)
      : most(_mm256_set1_ps(65536.0f)),  // what is more saturates in any case, and must not overflow before
        zero(_mm256_set1_epi16(static_cast<int16_t>(r.zero_point))),
        lo(_mm256_set1_epi8(static_cast<char>(r.lo))),
        hi(_mm256_set1_epi8(static_cast<char>(r.hi))),
        order(_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)) {}
  BW_INLINE __m256i round(__m256i acc, const float* m32) const {
    const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(m32));
    return _mm256_cvtps_epi32(_mm256_min_ps(v, most));
  }
  /// Codes of four rounded vectors: 4 of each in every 128-bit lane.
  BW_INLINE __m256i in_lane_order(__m256i a, __m256i b, __m256i c, __m256i d) const {
    const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
    const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero);
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(low, high), lo), hi);
  }
  /// All of the first, then all of the second ...
  BW_INLINE __m256i operator()(__m256i a, __m256i b, __m256i c, __m256i d) const {
    return _mm256_permutevar8x32_epi32(in_lane_order(a, b, c, d), order);
  }
};

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
  store_codes(dst, codes, count);
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

// 16 columns of one row, or as many as the panel has; for all forms but the most frequent one.
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

BW_INLINE bool plain_codes(const DotArgs& d) {
  return d.form == DotForm::u8 && d.requantize.step == RequantizeStep::f32 && !d.zero;
}

/// Two rows of 16 columns, or, if `both` is not, the first of them.
BW_INLINE void finish_codes(const PackedCodesF32& codes, const float* m32, const __m256i (&x)[4], uint8_t* dst, int64_t stride,
                            int32_t count, bool both) {
  const __m256i two = codes(codes.round(x[0], m32), codes.round(x[1], m32 + 8), codes.round(x[2], m32), codes.round(x[3], m32 + 8));
  store_codes(dst, _mm256_castsi256_si128(two), count);
  if (both) store_codes(dst + stride, _mm256_extracti128_si256(two, 1), count);
}

/// A tile, from registers if it is the most frequent form; its last 16 columns are real or partly so.
template <int kRows, int kVectors>
BW_INLINE void finish(const DotArgs& d, int64_t row, int32_t column, const __m256i (&acc)[kRows][kVectors]) {
  if (plain_codes(d)) {
    const PackedCodesF32 codes(d.requantize);
    uint8_t* dst = static_cast<uint8_t*>(d.dst) + row * d.dst_stride + column;
    const float* m32 = d.requantize.m32 + column;
    BW_UNROLL
    for (int m = 0; m < kRows; m += 2) {
      const int n = m + 1 < kRows ? m + 1 : m;
      BW_UNROLL
      for (int j = 0; j < kVectors; j += 2) {
        const __m256i x[4] = {acc[m][j], acc[m][j + 1], acc[n][j], acc[n][j + 1]};
        finish_codes(codes, m32 + 8 * j, x, dst + m * d.dst_stride + 8 * j, d.dst_stride, d.columns - column - 8 * j, n > m);
      }
    }
    return;
  }
  alignas(32) int32_t memory[kRows][8 * kVectors];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) _mm256_store_si256(reinterpret_cast<__m256i*>(&memory[m][8 * j]), acc[m][j]);
  }
  for (int m = 0; m < kRows; ++m)
    for (int32_t c = 0; c < 8 * kVectors; c += 16) finish_row(d, row + m, column + c, memory[m] + c);
}

}  // namespace
}  // namespace bitwright
