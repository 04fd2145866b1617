// What both AVX-512 depthwise kernels do with 64 bytes per tap: 4 taps of each byte side by side, in four vectors whose order
// the final packs undo. Quarter q holds, of each 128-bit lane, the channels 4 q to 4 q + 3. Everything has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/dot/finish_avx512.hpp"

namespace bitwright {
namespace {

struct Quarters {
  __m512i q[4];
};

void copy16(void* to, const void* from) { __builtin_memcpy(to, from, 16); }

/// Weights, offsets and multipliers of a panel in the order of the quarters; after `blocks` lanes of 16 channels come the same
/// channels again.
template <class Constants>
void prepare_quarters(const DotArgs& d, int64_t blocks, Constants& out) {
  for (int64_t l = 0; l < 4; ++l)
    for (int64_t q = 0; q < 4; ++q) {
      const int64_t block = l % blocks, channel = 16 * block + 4 * q;
      copy16(&out.offset[q][4 * l], d.offset + channel);
      if (d.form == DotForm::u8) copy16(&out.m32[q][4 * l], d.requantize.m32 + channel);
      for (int64_t k = 0; k < d.k4; ++k) {
        static constexpr int8_t kNone[16] = {};
        copy16(&out.weights[k][q][16 * l], 16 * block < d.width ? d.b + (k * d.width + channel) * 4 : kNone);
      }
    }
}

BW_INLINE Quarters interleave(__m512i t0, __m512i t1, __m512i t2, __m512i t3) {
  const __m512i a = _mm512_unpacklo_epi8(t0, t1), b = _mm512_unpackhi_epi8(t0, t1);
  const __m512i c = _mm512_unpacklo_epi8(t2, t3), d = _mm512_unpackhi_epi8(t2, t3);
  return {{_mm512_unpacklo_epi16(a, c), _mm512_unpackhi_epi16(a, c), _mm512_unpacklo_epi16(b, d),
           _mm512_unpackhi_epi16(b, d)}};
}

BW_INLINE void add(Quarters& acc, const Quarters& x, const int8_t (&weights)[4][64]) {
  BW_UNROLL
  for (int q = 0; q < 4; ++q) acc.q[q] = _mm512_dpbusd_epi32(acc.q[q], x.q[q], _mm512_load_si512(weights[q]));
}

/// The 64 sums in the order of their channels.
BW_INLINE void to_channels(const Quarters& v, int32_t (&acc)[64]) {
  alignas(64) int32_t quarter[4][16];
  for (int q = 0; q < 4; ++q) _mm512_store_si512(quarter[q], v.q[q]);
  for (int l = 0; l < 4; ++l)
    for (int q = 0; q < 4; ++q) copy16(acc + 16 * l + 4 * q, &quarter[q][4 * l]);
}

}  // namespace
}  // namespace bitwright
