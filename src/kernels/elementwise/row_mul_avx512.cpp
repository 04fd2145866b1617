// Rows of codes by one row of factors, 64 columns at a time; what is left at the end of a row is masked.
#include <immintrin.h>

#include "kernels/elementwise/codes_avx512.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

struct Multiply {
  __m512 k, zero;
  FourOfCodes codes;
  explicit Multiply(const RowMulArgs& args)
      : k(_mm512_set1_ps(args.k)),
        zero(_mm512_set1_ps(args.zero)),
        codes(static_cast<int32_t>(args.lo), static_cast<int32_t>(args.hi)) {}

  BW_INLINE __m512i round(__m128i src, __m512 factor, __m512 shift) const {
    const __m512 product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(src)), factor, shift);
    return rounded(_mm512_add_ps(_mm512_mul_ps(product, k), zero));
  }
};

BW_INLINE __m512i codes_at(const Multiply& m, const uint8_t* src, const float* factor, const float* shift, int64_t count) {
  __m512i v[4];
  BW_UNROLL
  for (int j = 0; j < 4; ++j) {
    const int64_t left = count - 16 * j;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : left <= 0 ? 0 : (1 << left) - 1);
    v[j] = m.round(_mm_maskz_loadu_epi8(mask, src + 16 * j), _mm512_maskz_loadu_ps(mask, factor + 16 * j),
                   _mm512_maskz_loadu_ps(mask, shift + 16 * j));
  }
  return m.codes(v);
}

}  // namespace

void row_mul_u8_avx512(const RowMulArgs& args, int64_t begin, int64_t end) noexcept {
  const Multiply multiply(args);
  const int64_t whole = args.columns / 64 * 64, rest = args.columns - whole;
  for (int64_t row = begin; row < end; ++row) {
    const uint8_t* src = args.src + row * args.columns;
    uint8_t* dst = args.dst + row * args.columns;
    for (int64_t c = 0; c < whole; c += 64) {
      __m512i v[4];
      BW_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int64_t at = c + 16 * j;
        v[j] = multiply.round(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src + at)), _mm512_loadu_ps(args.factor + at),
                              _mm512_loadu_ps(args.shift + at));
      }
      _mm512_storeu_si512(dst + c, multiply.codes(v));
    }
    if (rest > 0)
      _mm512_mask_storeu_epi8(dst + whole, (__mmask64{1} << rest) - 1,
                              codes_at(multiply, src + whole, args.factor + whole, args.shift + whole, rest));
  }
}

}  // namespace bitwright
