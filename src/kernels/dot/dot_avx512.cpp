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

template <int kBlock>
BW_INLINE __m128i block_of(__m512i codes) {
  return kBlock == 0 ? _mm512_castsi512_si128(codes) : _mm512_extracti32x4_epi32(codes, kBlock);
}

// Block kBlock of 64 codes is vector kVector of the tile, counted row by row: 16 columns of one row.
template <int kRows, int kVectors, int kBlock, int kVector>
BW_INLINE void store_block(__m512i codes, uint8_t* dst, int64_t stride, __mmask16 last) {
  constexpr int kRow = kVector / kVectors, kColumn = kVector % kVectors;
  if constexpr (kRow < kRows) {
    uint8_t* to = dst + kRow * stride + 16 * kColumn;
    const __m128i block = block_of<kBlock>(codes);
    if constexpr (kColumn == kVectors - 1)
      _mm_mask_storeu_epi8(to, last, block);
    else
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
  }
}

// Codes of the vectors [kFirst, ...) of the tile, four at a time.
template <Ends kEnds, int kRows, int kVectors, int kFirst>
BW_INLINE void store_codes(const PackedCodesF32& codes, const float* m32, const __m512i (&acc)[kRows][kVectors], uint8_t* dst,
                           int64_t stride, __mmask16 last) {
  if constexpr (kFirst < kRows * kVectors) {
    __m512i v[4];
    BW_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int at = kFirst + i < kRows * kVectors ? kFirst + i : kFirst;
      v[i] = at == kFirst && i > 0 ? v[0] : codes.round<kEnds>(acc[at / kVectors][at % kVectors], m32 + 16 * (at % kVectors));
    }
    const __m512i four = codes.in_order<kEnds>(v[0], v[1], v[2], v[3]);
    if constexpr (kVectors == 4) {
      _mm512_mask_storeu_epi8(dst + kFirst / 4 * stride, static_cast<__mmask64>(last) << 48 | 0xffffffffffff, four);
    } else {
      store_block<kRows, kVectors, 0, kFirst>(four, dst, stride, last);
      store_block<kRows, kVectors, 1, kFirst + 1>(four, dst, stride, last);
      store_block<kRows, kVectors, 2, kFirst + 2>(four, dst, stride, last);
      store_block<kRows, kVectors, 3, kFirst + 3>(four, dst, stride, last);
    }
    store_codes<kEnds, kRows, kVectors, kFirst + 4>(codes, m32, acc, dst, stride, last);
  }
}

// y = acc * scale + bias, with what is the same for all rows folded into offset and scale beforehand.
template <int kRows, int kVectors>
BW_INLINE void store_floats(const DotArgs& d, int64_t row, const __m512i (&acc)[kRows][kVectors]) {
  float* dst = static_cast<float*>(d.dst) + row * d.dst_stride;
  BW_UNROLL
  for (int j = 0; j < kVectors; ++j) {
    const __mmask16 mask = j == kVectors - 1 ? mask_of(d.columns - 16 * j) : static_cast<__mmask16>(0xffff);
    const __m512 scale = _mm512_maskz_loadu_ps(mask, d.scale + 16 * j);
    const __m512 bias = d.bias ? _mm512_maskz_loadu_ps(mask, d.bias + 16 * j) : _mm512_set1_ps(-0.0f);  // which changes nothing
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) {
      const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[m][j]), scale);
      _mm512_mask_storeu_ps(dst + m * d.dst_stride + 16 * j, mask, _mm512_add_ps(product, bias));
    }
  }
}

template <Ends kEnds, int kRows, int kVectors>
BW_INLINE void finish_codes(const DotArgs& d, int64_t row, const __m512i (&acc)[kRows][kVectors]) {
  uint8_t* dst = static_cast<uint8_t*>(d.dst) + row * d.dst_stride;
  store_codes<kEnds, kRows, kVectors, 0>(PackedCodesF32(d.requantize), d.requantize.m32, acc, dst, d.dst_stride,
                                         mask_of(d.columns - 16 * (kVectors - 1)));
}

template <int kRows, int kVectors>
BW_INLINE void finish(const DotArgs& d, int64_t row, const __m512i (&acc)[kRows][kVectors]) {
  if (d.form == DotForm::u8 && d.requantize.step == RequantizeStep::f32 && !d.zero) {
    const Ends ends = ends_of(d.requantize);
    if (ends == Ends::plain) return finish_codes<Ends::plain>(d, row, acc);
    return ends == Ends::bounded ? finish_codes<Ends::bounded>(d, row, acc) : finish_codes<Ends::any>(d, row, acc);
  }
  if (d.form == DotForm::f32 && !d.zero && !d.row_scale) return store_floats<kRows, kVectors>(d, row, acc);
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

// kAhead: the next panel is fetched meanwhile, where the second-level cache does not hold a network's weights and the first tile
// of a panel would wait for memory. One line every other step, so that eight tiles of a 48-row block fetch all of it; bursts would
// fill the buffers that loads need.
template <int kRows, int kVectors, bool kAhead = false>
BW_NOIPA void tile(const DotArgs& d, int64_t row) {
  __m512i acc[kRows][kVectors];
  BW_UNROLL
  for (int m = 0; m < kRows; ++m) {
    BW_UNROLL
    for (int j = 0; j < kVectors; ++j) acc[m][j] = _mm512_loadu_si512(d.offset + 16 * j);
  }
  const int8_t *b = d.b, *ahead = kAhead ? d.next + row / kRows * (d.segments * (d.k4 / 2) * 64) : nullptr;
  for (int64_t s = 0; s < d.segments; ++s) {
    const uint8_t* a[kRows];
    BW_UNROLL
    for (int m = 0; m < kRows; ++m) a[m] = d.a[s * d.a_step + row + m];
    int64_t k = 0;
    if constexpr (kAhead) {
      for (; k + 2 <= d.k4; k += 2, b += 2 * 64 * kVectors, ahead += 64) {
        _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
        step<kRows, kVectors>(acc, a, 4 * k, b);
        step<kRows, kVectors>(acc, a, 4 * k + 4, b + 64 * kVectors);
      }
    }
    for (; k < d.k4; ++k, b += 64 * kVectors) step<kRows, kVectors>(acc, a, 4 * k, b);
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
  if (kVectors == 4 && d.next)
    for (; row + kTall <= d.rows; row += kTall) tile<kTall, kVectors, kVectors == 4>(d, row);
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
