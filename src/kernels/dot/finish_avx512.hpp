// From a row's int32 accumulators to its output, 16 columns at a time. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

BW_INLINE __mmask16 mask_of(int32_t columns) {
  return static_cast<__mmask16>(columns >= 16 ? 0xffff : columns <= 0 ? 0 : (1 << columns) - 1);
}

// 16 codes by one float product each; the clamp is before the conversion, so nothing saturates in it. Constants are
// taken once: a store of bytes might change any memory, for all that the compiler knows.
struct CodesF32 {
  const float* m32;
  __m512 lo, hi;
  __m512i zero;
  BW_INLINE explicit CodesF32(const Requantize& r)
      : m32(r.m32),
        lo(_mm512_set1_ps(static_cast<float>(r.lo - r.zero_point))),
        hi(_mm512_set1_ps(static_cast<float>(r.hi - r.zero_point))),
        zero(_mm512_set1_epi32(r.zero_point)) {}
  BW_INLINE __m128i operator()(__m512i acc, int32_t column) const {
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(m32 + column));
    v = _mm512_min_ps(_mm512_max_ps(v, lo), hi);
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(v), zero));
  }
};

// What becomes of a product before it is a code, from all to least.
enum class Ends {
  any,      // clamp so that the conversion does not overflow, add the zero point, clamp to [lo, hi]
  bounded,  // products fit int32 (Requantize::bounded)
  plain     // and the zero point is 0, [lo, hi] all of a byte: saturating packs do the rest
};
BW_INLINE Ends ends_of(const Requantize& r) {
  if (!r.bounded) return Ends::any;
  return r.zero_point == 0 && r.lo == 0 && r.hi == 255 ? Ends::plain : Ends::bounded;
}

// The same for four vectors at once: saturating packs do most of the clamp, and one permutation puts the bytes in order.
struct PackedCodesF32 {
  __m512 most;
  __m512i zero, lo, hi, order;
  BW_INLINE explicit PackedCodesF32(const Requantize& r)
      : most(_mm512_set1_ps(65536.0f)),  // what is more saturates in any case, and must not overflow before
        zero(_mm512_set1_epi16(static_cast<int16_t>(r.zero_point))),
        lo(_mm512_set1_epi8(static_cast<char>(r.lo))),
        hi(_mm512_set1_epi8(static_cast<char>(r.hi))),
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)) {}
  template <Ends kEnds = Ends::any>
  BW_INLINE __m512i round(__m512i acc, const float* m32) const {
    const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(m32));
    return _mm512_cvtps_epi32(kEnds == Ends::any ? _mm512_min_ps(v, most) : v);
  }
  /// Codes of four rounded vectors: 4 of each in every 128-bit lane.
  template <Ends kEnds = Ends::any>
  BW_INLINE __m512i in_lane_order(__m512i a, __m512i b, __m512i c, __m512i d) const {
    const __m512i low = _mm512_packs_epi32(a, b), high = _mm512_packs_epi32(c, d);
    if constexpr (kEnds == Ends::plain) return _mm512_packus_epi16(low, high);
    const __m512i codes = _mm512_packus_epi16(_mm512_adds_epi16(low, zero), _mm512_adds_epi16(high, zero));
    return _mm512_min_epu8(_mm512_max_epu8(codes, lo), hi);
  }
  /// All of the first, then all of the second ...
  template <Ends kEnds = Ends::any>
  BW_INLINE __m512i in_order(__m512i a, __m512i b, __m512i c, __m512i d) const {
    return _mm512_permutexvar_epi32(order, in_lane_order<kEnds>(a, b, c, d));
  }
};

BW_INLINE __m256i round_f64(const Requantize& r, __m256i acc, int32_t column) {
  const __m512d lo = _mm512_set1_pd(r.lo - r.zero_point), hi = _mm512_set1_pd(r.hi - r.zero_point);
  __m512d v = _mm512_mul_pd(_mm512_cvtepi32_pd(acc), _mm512_loadu_pd(r.m64 + column));
  v = _mm512_min_pd(_mm512_max_pd(v, lo), hi);
  return _mm512_cvtpd_epi32(v);
}

BW_INLINE __m128i codes_f64(const Requantize& r, __m512i acc, int32_t column) {
  const __m256i low = round_f64(r, _mm512_castsi512_si256(acc), column);
  const __m256i high = round_f64(r, _mm512_extracti64x4_epi64(acc, 1), column + 8);
  const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  return _mm512_cvtepi32_epi8(_mm512_add_epi32(both, _mm512_set1_epi32(r.zero_point)));
}

void store_u8(const DotArgs& d, const int32_t* acc, uint8_t* dst, int32_t column, int32_t count) {
  if (d.requantize.step == RequantizeStep::exact) {
    requantize_u8(d.requantize, acc, column, count, dst);
    return;
  }
  const __m512i v = _mm512_loadu_si512(acc);
  const bool single = d.requantize.step == RequantizeStep::f32;
  const __m128i codes = single ? CodesF32(d.requantize)(v, column) : codes_f64(d.requantize, v, column);
  if (count == 16)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), codes);
  else
    _mm_mask_storeu_epi8(dst, mask_of(count), codes);
}

void store_f32(const DotArgs& d, const int32_t* acc, float* dst, int64_t row, int32_t column, __mmask16 mask) {
  __m512 scale = _mm512_maskz_loadu_ps(mask, d.scale + column);
  if (d.row_scale) scale = _mm512_mul_ps(_mm512_set1_ps(d.row_scale[row * d.row_scale_stride]), scale);
  __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(acc)), scale);
  if (d.bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, d.bias + column));
  _mm512_mask_storeu_ps(dst, mask, v);
}

// One row of a tile, from memory; for all forms but the most frequent one.
BW_NOIPA void finish_row(const DotArgs& d, int64_t row, int32_t* acc) {
  for (int32_t c = 0; c < d.columns; c += 16) {
    const int32_t count = d.columns - c < 16 ? d.columns - c : 16;
    if (d.zero) {
      const __m512i zero = _mm512_set1_epi32(d.zero[row * d.zero_stride]);
      const __m512i fix = _mm512_mullo_epi32(zero, _mm512_loadu_si512(d.sum + c));
      _mm512_storeu_si512(acc + c, _mm512_sub_epi32(_mm512_loadu_si512(acc + c), fix));
    }
    const int64_t at = row * d.dst_stride + c;
    if (d.form == DotForm::u8)
      store_u8(d, acc + c, static_cast<uint8_t*>(d.dst) + at, c, count);
    else if (d.form == DotForm::f32)
      store_f32(d, acc + c, static_cast<float*>(d.dst) + at, row, c, mask_of(count));
    else
      _mm512_mask_storeu_epi32(static_cast<int32_t*>(d.dst) + at, mask_of(count), _mm512_loadu_si512(acc + c));
  }
}

}  // namespace
}  // namespace bitwright
