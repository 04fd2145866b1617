// AVX512-VNNI: the bytes of 4 taps of 16 channels, loaded into the quarters of a register, are transposed by one vpermb to 4
// taps per lane: 4 loads, a shuffle and a vpdpbusd for 64 multiply-adds.
#include <immintrin.h>

#include "kernels/conv/depthwise.hpp"
#include "kernels/dot/finish_avx512.hpp"

namespace bitwright {
namespace {

// Byte i of tap t lies at 16 t + i and goes to 4 i + t.
BW_INLINE __m512i transpose_index() {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_add_epi8(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101)), _mm512_set1_epi32(0x30201000));
}

BW_INLINE __m128i load16(const uint8_t* p, __mmask16 mask) { return _mm_maskz_loadu_epi8(mask, p); }

template <bool kFull>
BW_INLINE __m512i taps16(const uint8_t* const* tap, int64_t channel, __mmask16 mask) {
  const auto at = [&](int t) BW_INLINE_LAMBDA { return kFull ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(tap[t] + channel)) : load16(tap[t] + channel, mask); };
  __m512i x = _mm512_castsi128_si512(at(0));
  x = _mm512_mask_broadcast_i32x4(x, 0x00f0, at(1));
  x = _mm512_mask_broadcast_i32x4(x, 0x0f00, at(2));
  return _mm512_mask_broadcast_i32x4(x, 0xf000, at(3));
}

template <bool kFull>
BW_INLINE __m512i sum16(const DotArgs& d, const uint8_t* const* taps, int32_t c, __mmask16 mask, __m512i index) {
  __m512i acc = _mm512_loadu_si512(d.offset + c);
  const int8_t* b = d.b + int64_t{c} * 4;
  for (int64_t k = 0; k < d.k4; ++k, b += int64_t{d.width} * 4) {
    const __m512i x = _mm512_permutexvar_epi8(index, taps16<kFull>(taps + 4 * k, d.column + c, mask));
    acc = _mm512_dpbusd_epi32(acc, x, _mm512_load_si512(b));
  }
  return acc;
}

BW_NOIPA void pixel_u8(const DotArgs& d, int64_t row) {
  const __m512i index = transpose_index();
  const uint8_t* const* taps = d.a + row * d.a_step;
  uint8_t* dst = static_cast<uint8_t*>(d.dst) + row * d.dst_stride;
  int32_t c = 0;
  for (; c + 16 <= d.columns; c += 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + c), codes_f32(d.requantize, sum16<true>(d, taps, c, 0xffff, index), c));
  if (c == d.columns) return;
  const __mmask16 mask = mask_of(d.columns - c);
  _mm_mask_storeu_epi8(dst + c, mask, codes_f32(d.requantize, sum16<false>(d, taps, c, mask, index), c));
}

BW_NOIPA void pixel(const DotArgs& d, int64_t row) {
  const __m512i index = transpose_index();
  alignas(64) int32_t acc[64];
  for (int32_t c = 0; c < d.columns; c += 16)
    _mm512_store_si512(acc + c, sum16<false>(d, d.a + row * d.a_step, c, mask_of(d.columns - c), index));
  finish_row(d, row, acc);
}

}  // namespace

void depthwise_u8s8_16_avx512(const DotArgs& d) noexcept {
  const bool usual = d.form == DotForm::u8 && d.requantize.step == RequantizeStep::f32 && !d.zero;
  for (int64_t row = 0; row < d.rows; ++row) usual ? pixel_u8(d, row) : pixel(d, row);
}

}  // namespace bitwright
