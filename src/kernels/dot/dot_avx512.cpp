// AVX512-VNNI. Two operands per 64 multiply-adds; a tile of 6 x 64 keeps 24 accumulators, 4 weight vectors and one
// broadcast in 29 of 32 registers: 10 loads for 24 vpdpbusd, whose latency of 4 to 5 cycles needs at least 10 in
// flight.
#include <immintrin.h>

#include "kernels/dot/finish_avx512.hpp"

namespace bitwright {
namespace {

BW_INLINE __m512i broadcast(const uint8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, 4);
  return _mm512_set1_epi32(word);
}

template <int kRows, int kVectors>
BW_INLINE void finish(const DotArgs& d, int64_t row, const __m512i (&acc)[kRows][kVectors]) {
  if (d.form == DotForm::u8 && d.requantize.step == RequantizeStep::f32 && !d.zero) {
    const CodesF32 codes(d.requantize);
    const int64_t stride = d.dst_stride;
    uint8_t* dst = static_cast<uint8_t*>(d.dst) + row * stride;
    const __mmask16 last = mask_of(d.columns - 16 * (kVectors - 1));
    BW_UNROLL
    for (int m = 0; m < kRows; ++m, dst += stride) {
      BW_UNROLL
      for (int j = 0; j + 1 < kVectors; ++j)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 16 * j), codes(acc[m][j], 16 * j));
      constexpr int kLast = 16 * (kVectors - 1);
      _mm_mask_storeu_epi8(dst + kLast, last, codes(acc[m][kVectors - 1], kLast));
    }
    return;
  }
  alignas(64) int32_t memory[kRows][16 * kVectors];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) _mm512_store_si512(&memory[m][16 * j], acc[m][j]);
  }
  for (int m = 0; m < kRows; ++m) finish_row(d, row + m, memory[m]);
}

// 4 in K: a row's 4 bytes in every lane, times 4 weights of each column.
template <int kRows, int kVectors>
BW_INLINE void step(__m512i (&acc)[kRows][kVectors], const uint8_t* const (&a)[kRows], int64_t at, const int8_t* b) {
  __m512i w[kVectors];
  BW_UNROLL
  for (int j = 0; j < kVectors; ++j) w[j] = _mm512_load_si512(b + 64 * j);
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    const __m512i x = broadcast(a[m] + at);
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[m][j] = _mm512_dpbusd_epi32(acc[m][j], x, w[j]);
  }
}

template <int kRows, int kVectors>
BW_NOIPA void tile(const DotArgs& d, int64_t row) {
  __m512i acc[kRows][kVectors];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[m][j] = _mm512_loadu_si512(d.offset + 16 * j);
  }
  const int8_t* b = d.b;
  for (int64_t s = 0; s < d.segments; ++s) {
    const uint8_t* a[kRows];
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = d.a[s * d.a_step + row + m];
    for (int64_t k = 0; k < d.k4; ++k, b += 64 * kVectors) step<kRows, kVectors>(acc, a, 4 * k, b);
  }
  if (d.tail) {
    uint32_t words[kRows];
    const uint8_t* a[kRows];
    dot_tail_words(d, row, kRows, words);
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = reinterpret_cast<const uint8_t*>(words + m);
    step<kRows, kVectors>(acc, a, 0, b);
  }
  finish<kRows, kVectors>(d, row, acc);
}

// Rows in tiles of kTall, what is left in fours, twos and ones.
template <int kTall, int kVectors>
void panel(const DotArgs& d) {
  int64_t row = 0;
  for (; row + kTall <= d.rows; row += kTall) tile<kTall, kVectors>(d, row);
  for (; row + 4 <= d.rows; row += 4) tile<4, kVectors>(d, row);
  if (row + 2 <= d.rows) tile<2, kVectors>(d, row), row += 2;
  if (row < d.rows) tile<1, kVectors>(d, row);
}

}  // namespace

void dot_u8s8_6x64_avx512(const DotArgs& d) noexcept {
  if (d.width == 64)
    panel<6, 4>(d);
  else if (d.width == 48)
    panel<8, 3>(d);
  else if (d.width == 32)
    panel<8, 2>(d);
  else
    panel<8, 1>(d);
}

}  // namespace bitwright
