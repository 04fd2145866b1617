// AVX2 has no exact 8-bit dot product. Where the packer proved that no pair of products exceeds int16, vpmaddubsw is
// exact; elsewhere even and odd bytes are widened to 16 bits and multiplied by vpmaddwd, which is always exact. These are
// steps as dot_ymm.hpp wants them. A word of codes is split after its broadcast, which is a load and nothing else.
#pragma once

#include "kernels/dot/step_ymm.hpp"

namespace bitwright {
namespace {

struct PairsFit : Bytes {
  static BW_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
  }
};

struct Halves {
  __m256i even, odd;  // bytes 0, 2 and bytes 1, 3 of each lane, as int16
};

alignas(32) constexpr uint16_t kLowBytes[16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

BW_INLINE Halves unsigned_halves(__m256i x) {
  // The mask stays in memory: the dense tile has no register for it, and a compiler spills a sum rather than reload it.
  __m256i even;
  __asm__("vpand %2, %1, %0" : "=x"(even) : "x"(x), "m"(kLowBytes));
  return {even, _mm256_srli_epi16(x, 8)};
}
BW_INLINE Halves signed_halves(__m256i w) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
}

struct Widened {
  static BW_INLINE Halves load(const int8_t* p) { return signed_halves(Bytes::load(p)); }
  static BW_INLINE Halves broadcast(const uint8_t* p) { return unsigned_halves(Bytes::broadcast(p)); }
  static BW_INLINE __m256i add(__m256i acc, const Halves& x, const Halves& w) {
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(x.even, w.even), _mm256_madd_epi16(x.odd, w.odd));
    return _mm256_add_epi32(acc, sum);
  }
};

}  // namespace
}  // namespace bitwright
