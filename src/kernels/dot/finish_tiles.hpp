// From a block's sums, which tiles left in memory, to its outputs: some rows at a time, while the next block is multiplied.
// Everything here has internal linkage.
#pragma once

#include "kernels/dot/finish_avx512.hpp"

namespace bitwright {
namespace {

/// A block's sums, and which rows of them are no codes yet.
struct Unfinished {
  DotArgs d;      // of the block's columns
  int32_t* sums;  // [rows][16 * vectors], `first` is their first row
  int64_t first = 0, row = 0, end = 0;
  int32_t vectors = 0;
  int32_t* at(int64_t r) const { return sums + (r - first) * 16 * vectors; }
};

// Whole 64-byte vectors of codes: one row of 4 vectors or two of 2.
template <int kVectors>
BW_INLINE void finish_codes(Unfinished& u, int64_t end) {
  constexpr int kTogether = 4 / kVectors;
  const PackedCodesF32 codes(u.d.requantize);
  const float* m32 = u.d.requantize.m32;
  const uint64_t mask = (uint64_t{2} << (u.d.columns - 1)) - 1;
  for (int64_t row = u.row; row < end; row += kTogether) {
    const int32_t* sums = u.at(row);
    __m512i v[4];
    BW_UNROLL
    for (int i = 0; i < 4; ++i) v[i] = codes.round(_mm512_loadu_si512(sums + 16 * i), m32 + 16 * (i % kVectors));
    const __m512i four = codes.in_order(v[0], v[1], v[2], v[3]);
    uint8_t* dst = static_cast<uint8_t*>(u.d.dst) + row * u.d.dst_stride;
    if (kVectors == 4) {
      _mm512_mask_storeu_epi8(dst, mask, four);
      continue;
    }
    _mm256_mask_storeu_epi8(dst, static_cast<__mmask32>(mask), _mm512_castsi512_si256(four));
    if (row + 1 < end)
      _mm256_mask_storeu_epi8(dst + u.d.dst_stride, static_cast<__mmask32>(mask), _mm512_extracti64x4_epi64(four, 1));
  }
}

/// The next `count` rows, an even number.
BW_NOIPA void finish_rows(Unfinished& u, int64_t count) {
  const int64_t end = u.row + count < u.end ? u.row + count : u.end;
  const bool plain = u.d.form == DotForm::u8 && u.d.requantize.step == RequantizeStep::f32 && !u.d.zero;
  if (plain && u.vectors == 4)
    finish_codes<4>(u, end);
  else if (plain && u.vectors == 2)
    finish_codes<2>(u, end);
  else
    for (; u.row < end; ++u.row) finish_row(u.d, u.row, u.at(u.row));
  u.row = end;
}

}  // namespace
}  // namespace bitwright
