// The 256-bit tile, 4 rows x 16 columns: 8 accumulators, 2 weight vectors, and temporaries in 16 registers. Included by one
// file per instruction set, which gives the multiply-add as a class with
//   Weights load(const int8_t*)          8 columns x 4 bytes
//   Codes broadcast(uint32_t)            one row's 4 bytes in every lane
//   __m256i add(acc, Codes, Weights)     acc + the 4 products of each lane, exactly
// Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

BW_INLINE uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

// Lanes below `count` (1 to 8).
BW_INLINE __m256i lanes(int32_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

BW_INLINE __m256i round_f32(const Requantize& r, __m256i acc, int32_t column) {
  const __m256 lo = _mm256_set1_ps(static_cast<float>(r.lo - r.zero_point)), hi = _mm256_set1_ps(static_cast<float>(r.hi - r.zero_point));
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
  _mm256_maskstore_epi32(static_cast<int32_t*>(d.dst) + at, mask, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc)));
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

// 4 in K for 16 columns.
template <class Step, int kRows>
BW_INLINE void step(__m256i (&acc)[kRows][2], const uint8_t* const (&a)[kRows], int64_t at, const int8_t* b) {
  const auto w0 = Step::load(b), w1 = Step::load(b + 32);
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    const auto x = Step::broadcast(word_at(a[m] + at));
    acc[m][0] = Step::add(acc[m][0], x, w0);
    acc[m][1] = Step::add(acc[m][1], x, w1);
  }
}

template <class Step, int kRows>
BW_NOIPA void tile(const DotArgs& d, int64_t row, int32_t column) {
  __m256i acc[kRows][2];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    acc[m][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.offset + column));
    acc[m][1] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.offset + column + 8));
  }
  const int64_t b_step = int64_t{d.width} * 4;
  const int8_t* b = d.b + int64_t{column} * 4;
  for (int64_t s = 0; s < d.segments; ++s) {
    const uint8_t* a[kRows];
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = d.a[s * d.a_step + row + m];
    for (int64_t k = 0; k < d.k4; ++k, b += b_step) step<Step, kRows>(acc, a, 4 * k, b);
  }
  if (d.tail) {
    uint32_t words[kRows];
    const uint8_t* a[kRows];
    dot_tail_words(d, row, kRows, words);
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = reinterpret_cast<const uint8_t*>(words + m);
    step<Step, kRows>(acc, a, 0, b);
  }
  alignas(32) int32_t memory[kRows][16];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(&memory[m][0]), acc[m][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(&memory[m][8]), acc[m][1]);
  }
  for (int m = 0; m < kRows; ++m) finish_row(d, row + m, column, memory[m]);
}

template <class Step>
void panel(const DotArgs& d) {
  for (int32_t column = 0; column < d.columns; column += 16) {
    int64_t row = 0;
    for (; row + 4 <= d.rows; row += 4) tile<Step, 4>(d, row, column);
    if (row + 2 <= d.rows) tile<Step, 2>(d, row, column), row += 2;
    if (row < d.rows) tile<Step, 1>(d, row, column);
  }
}

}  // namespace
}  // namespace bitwright
