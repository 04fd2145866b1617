// What all steps of dot_ymm.hpp on unsplit bytes share.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

struct Bytes {
  static BW_INLINE __m256i load(const int8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static BW_INLINE __m256i broadcast(const uint8_t* p) {
    int32_t word;
    __builtin_memcpy(&word, p, 4);
    return _mm256_set1_epi32(word);
  }
};

}  // namespace
}  // namespace bitwright
