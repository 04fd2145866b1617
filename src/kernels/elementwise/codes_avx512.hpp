// From float results to codes, 64 at a time. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/attributes.hpp"

namespace bitwright {
namespace {

// What is more than 65536 saturates in any case, and must not overflow before.
BW_INLINE __m512i rounded(__m512 v) { return _mm512_cvtps_epi32(_mm512_min_ps(v, _mm512_set1_ps(65536.0f))); }

// Codes of four rounded vectors in order. Saturating packs are the upper and the lower end of the clamp to a byte.
struct FourOfCodes {
  __m512i lo, hi;
  __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  FourOfCodes(int32_t low, int32_t high)
      : lo(_mm512_set1_epi8(static_cast<char>(low))), hi(_mm512_set1_epi8(static_cast<char>(high))) {}
  BW_INLINE __m512i operator()(const __m512i (&v)[4]) const {
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
    return _mm512_permutexvar_epi32(order, _mm512_min_epu8(_mm512_max_epu8(bytes, lo), hi));
  }
};

}  // namespace
}  // namespace bitwright
