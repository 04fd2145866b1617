// AVX512-VNNI, 64 channels at a time. Unpacking the bytes of 4 taps gives 4 taps per lane, in the order that the final
// packs undo; weights, offsets and multipliers are put in that order once per call. For 64 x 4 multiply-adds: 4 loads,
// 8 unpacks and 4 vpdpbusd.
//
// Quarter q of the channels: those at 16 l + 4 q + i, for each 128-bit lane l and i < 4.
#include <immintrin.h>

#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/quarters_avx512.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostGroups = 16;  // of 4 taps: kernels up to 8 x 8

struct Constants {
  alignas(64) int8_t weights[kMostGroups][4][64];
  alignas(64) int32_t offset[4][16];
  alignas(64) float m32[4][16];
};

struct Shape {
  int64_t column, groups;
  __mmask64 mask;
  BW_INLINE explicit Shape(const DotArgs& d)
      : column(d.column),
        groups(d.k4),
        mask(d.columns >= 64 ? ~__mmask64{0} : (__mmask64{1} << d.columns) - 1) {}
  BW_INLINE __m512i load(const uint8_t* tap) const { return _mm512_maskz_loadu_epi8(mask, tap + column); }
};

BW_INLINE Quarters sum(const Shape& s, const Constants& constants, const uint8_t* const* tap) {
  Quarters acc;
  BW_UNROLL
  for (int q = 0; q < 4; ++q) acc.q[q] = _mm512_load_si512(constants.offset[q]);
  for (int64_t k = 0; k < s.groups; ++k, tap += 4)
    add(acc, interleave(s.load(tap[0]), s.load(tap[1]), s.load(tap[2]), s.load(tap[3])), constants.weights[k]);
  return acc;
}

BW_NOIPA void rows_u8(const DotArgs& d, const Constants& constants) {
  const Shape shape(d);
  const Requantize r = d.requantize;
  const __m512 lo = _mm512_set1_ps(static_cast<float>(r.lo - r.zero_point)),
               hi = _mm512_set1_ps(static_cast<float>(r.hi - r.zero_point));
  const __m512i zero = _mm512_set1_epi16(static_cast<int16_t>(r.zero_point));
  const int64_t rows = d.rows, a_step = d.a_step, stride = d.dst_stride;
  const uint8_t* const* a = d.a;
  auto* dst = static_cast<uint8_t*>(d.dst);
  for (int64_t row = 0; row < rows; ++row, a += a_step, dst += stride) {
    Quarters v = sum(shape, constants, a);
    BW_UNROLL
    for (int q = 0; q < 4; ++q) {
      const __m512 real = _mm512_mul_ps(_mm512_cvtepi32_ps(v.q[q]), _mm512_load_ps(constants.m32[q]));
      v.q[q] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(real, lo), hi));
    }
    const __m512i low = _mm512_add_epi16(_mm512_packs_epi32(v.q[0], v.q[1]), zero);
    const __m512i high = _mm512_add_epi16(_mm512_packs_epi32(v.q[2], v.q[3]), zero);
    _mm512_mask_storeu_epi8(dst, shape.mask, _mm512_packus_epi16(low, high));
  }
}

BW_NOIPA void rows_any(const DotArgs& d, const Constants& constants) {
  const Shape shape(d);
  alignas(64) int32_t acc[64];
  for (int64_t row = 0; row < d.rows; ++row) {
    to_channels(sum(shape, constants, d.a + row * d.a_step), acc);
    finish_row(d, row, acc);
  }
}

}  // namespace

void depthwise_u8s8_64_avx512(const DotArgs& d) noexcept {
  if (d.k4 > kMostGroups) {
    depthwise_u8s8_16_avx2(d);
    return;
  }
  Constants constants;
  prepare_quarters(d, 4, constants);
  if (d.form == DotForm::u8 && d.requantize.step == RequantizeStep::f32 && !d.zero)
    rows_u8(d, constants);
  else
    rows_any(d, constants);
}

}  // namespace bitwright
