// AVX2 has no exact 8-bit dot product. Where the packer proved that no pair of products exceeds int16, vpmaddubsw is
// exact; elsewhere even and odd bytes are widened to 16 bits and multiplied by vpmaddwd, which is always exact, at half
// the speed.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

struct PairsFit {
  static BW_INLINE __m256i load(const int8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static BW_INLINE __m256i broadcast(uint32_t word) { return _mm256_set1_epi32(static_cast<int32_t>(word)); }
  static BW_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
  }
};

struct Halves {
  __m256i even, odd;  // bytes 0, 2 and bytes 1, 3 of each lane, as int16
};

struct Widened {
  static BW_INLINE Halves load(const int8_t* p) {
    const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
  }
  static BW_INLINE Halves broadcast(uint32_t word) {
    return {_mm256_set1_epi32(static_cast<int32_t>(word & 0x00ff00ff)),
            _mm256_set1_epi32(static_cast<int32_t>(word >> 8 & 0x00ff00ff))};
  }
  static BW_INLINE __m256i add(__m256i acc, const Halves& x, const Halves& w) {
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(x.even, w.even), _mm256_madd_epi16(x.odd, w.odd));
    return _mm256_add_epi32(acc, sum);
  }
};

}  // namespace
}  // namespace bitwright
