// Rows of codes by one row of factors, 32 columns at a time, in the order that unpacking leaves them in and packing undoes.
#include <immintrin.h>

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

/// Floats 4 q to 4 q + 3 of each 16, as unpacking orders codes.
BW_INLINE __m256 quarter(const float* p, int q) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 4 * q)), _mm_loadu_ps(p + 16 + 4 * q), 1);
}

struct Multiply {
  __m256 k, zero, most = _mm256_set1_ps(65536.0f);  // what is more saturates in any case, and must not overflow before
  __m256i lo, hi;
  explicit Multiply(const RowMulArgs& args)
      : k(_mm256_set1_ps(args.k)),
        zero(_mm256_set1_ps(args.zero)),
        lo(_mm256_set1_epi8(static_cast<char>(static_cast<int>(args.lo)))),
        hi(_mm256_set1_epi8(static_cast<char>(static_cast<int>(args.hi)))) {}

  BW_INLINE __m256i round(__m256i code, __m256 factor, __m256 shift) const {
    const __m256 product = _mm256_fmadd_ps(_mm256_cvtepi32_ps(code), factor, shift);
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_add_ps(_mm256_mul_ps(product, k), zero), most));
  }
  /// dst = 32 columns from src, factor and shift, all readable.
  BW_INLINE void operator()(const uint8_t* src, const float* factor, const float* shift, uint8_t* dst) const {
    const __m256i none = _mm256_setzero_si256(), codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src));
    const __m256i low = _mm256_unpacklo_epi8(codes, none), high = _mm256_unpackhi_epi8(codes, none);
    const __m256i a = round(_mm256_unpacklo_epi16(low, none), quarter(factor, 0), quarter(shift, 0));
    const __m256i b = round(_mm256_unpackhi_epi16(low, none), quarter(factor, 1), quarter(shift, 1));
    const __m256i c = round(_mm256_unpacklo_epi16(high, none), quarter(factor, 2), quarter(shift, 2));
    const __m256i d = round(_mm256_unpackhi_epi16(high, none), quarter(factor, 3), quarter(shift, 3));
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_min_epu8(_mm256_max_epu8(bytes, lo), hi));
  }
};

}  // namespace

void row_mul_u8_avx2(const RowMulArgs& args, int64_t begin, int64_t end) noexcept {
  const Multiply multiply(args);
  const int64_t whole = args.columns / 32 * 32, rest = args.columns - whole;
  alignas(32) float factor[32] = {}, shift[32] = {};
  alignas(32) uint8_t codes[32] = {};
  __builtin_memcpy(factor, args.factor + whole, static_cast<unsigned long>(rest) * sizeof(float));
  __builtin_memcpy(shift, args.shift + whole, static_cast<unsigned long>(rest) * sizeof(float));
  for (int64_t row = begin; row < end; ++row) {
    const uint8_t* src = args.src + row * args.columns;
    uint8_t* dst = args.dst + row * args.columns;
    for (int64_t c = 0; c < whole; c += 32) multiply(src + c, args.factor + c, args.shift + c, dst + c);
    if (rest == 0) continue;
    __builtin_memcpy(codes, src + whole, static_cast<unsigned long>(rest));
    multiply(codes, factor, shift, codes);
    __builtin_memcpy(dst + whole, codes, static_cast<unsigned long>(rest));
  }
}

}  // namespace bitwright
