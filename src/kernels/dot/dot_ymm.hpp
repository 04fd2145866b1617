// The 256-bit tile, 4 rows x 16 columns: 8 accumulators, 2 weight vectors, and temporaries in 16 registers. Included by
// one file per instruction set, which gives the multiply-add as a class with
//   Weights load(const int8_t*)          8 columns x 4 bytes
//   Codes broadcast(uint32_t)            one row's 4 bytes in every lane
//   __m256i add(acc, Codes, Weights)     acc + the 4 products of each lane, exactly
// Everything here has internal linkage.
#pragma once

#include "kernels/dot/finish_ymm.hpp"

namespace bitwright {
namespace {

BW_INLINE uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
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
