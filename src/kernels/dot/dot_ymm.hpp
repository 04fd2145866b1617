// The 256-bit tile, kTall rows x 16 columns in 16 registers. Included by one file per instruction set, which gives the
// multiply-add as a class with
//   Weights load(const int8_t*)          8 columns x 4 bytes
//   Codes broadcast(const uint8_t*)      one row's 4 bytes in every lane
//   __m256i add(acc, Codes, Weights)     acc + the 4 products of each lane, exactly
// Everything here has internal linkage.
#pragma once

#include "kernels/dot/finish_ymm.hpp"

namespace bitwright {
namespace {

// 4 in K for 8 * kVectors columns.
template <class Step, int kRows, int kVectors>
BW_INLINE void step(__m256i (&acc)[kRows][kVectors], const uint8_t* const (&a)[kRows], int64_t at, const int8_t* b) {
  if constexpr (kRows == 1) {
    const auto x = Step::broadcast(a[0] + at);
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[0][j] = Step::add(acc[0][j], x, Step::load(b + 32 * j));
  } else {
    const auto w0 = Step::load(b), w1 = Step::load(b + 32);
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) {
      const auto x = Step::broadcast(a[m] + at);
      acc[m][0] = Step::add(acc[m][0], x, w0);
      acc[m][1] = Step::add(acc[m][1], x, w1);
    }
  }
}

template <class Step, int kRows, int kVectors>
BW_INLINE void tail_step(__m256i (&acc)[kRows][kVectors], const DotArgs& d, int64_t row, const int8_t* b) {
  uint32_t words[kRows];
  const uint8_t* a[kRows];
  dot_tail_words(d, row, kRows, words);
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) a[m] = reinterpret_cast<const uint8_t*>(words + m);
  step<Step>(acc, a, 0, b);
}

template <class Step, int kRows, int kVectors>
BW_NOIPA void tile(const DotArgs& d, int64_t row, int32_t column) {
  static_assert(kVectors == 2 || kRows == 1);
  __m256i acc[kRows][kVectors];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j)
      acc[m][j] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(d.offset + column + 8 * j));
  }
  const int64_t b_step = int64_t{d.width} * 4;
  const int8_t* b = d.b + int64_t{column} * 4;
  for (int64_t s = 0; s < d.segments; ++s) {
    const uint8_t* a[kRows];
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = d.a[s * d.a_step + row + m];
    for (int64_t k = 0; k < d.k4; ++k, b += b_step) step<Step>(acc, a, 4 * k, b);
  }
  if (d.tail) tail_step<Step>(acc, d, row, b);
  finish(d, row, column, acc);
}

/// One row by all columns: as many sums in flight as a tile of several rows has, and weights in the order they lie in.
template <class Step>
void single_row(const DotArgs& d, int64_t row) {
  int32_t column = 0;
  for (; column + 64 <= d.width; column += 64) tile<Step, 1, 8>(d, row, column);
  for (; column < d.columns; column += 16) tile<Step, 1, 2>(d, row, column);
}

template <class Step, int kTall>
void panel(const DotArgs& d) {
  const int64_t even = d.rows / 2 * 2;
  for (int32_t column = 0; column < d.columns; column += 16) {
    int64_t row = 0;
    for (; row + kTall <= d.rows; row += kTall) tile<Step, kTall, 2>(d, row, column);
    if (row + 4 <= d.rows) tile<Step, 4, 2>(d, row, column), row += 4;
    if (row + 2 <= d.rows) tile<Step, 2, 2>(d, row, column), row += 2;
  }
  if (even < d.rows) single_row<Step>(d, even);
}

}  // namespace
}  // namespace bitwright
