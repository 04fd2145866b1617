// Float steps 16 lanes at a time, tails by mask.
#include <immintrin.h>

#include "kernels/elementwise/codes_avx512.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

BW_INLINE __mmask64 mask64(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }
BW_INLINE __mmask16 mask16(int64_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1); }

BW_INLINE __m512 decode(__m128i codes, __m512i zero, __m512 scale) {
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(codes), zero)), scale);
}

struct Encoder {
  __m512 scale, lo, hi;
  __m512i zero;
  Encoder(Affine q, int32_t low, int32_t high)
      : scale(_mm512_set1_ps(q.scale)),
        lo(_mm512_set1_ps(static_cast<float>(low - q.zero))),
        hi(_mm512_set1_ps(static_cast<float>(high - q.zero))),
        zero(_mm512_set1_epi32(q.zero)) {}
  BW_INLINE __m512i rounded(__m512 x) const {
    const __m512 v = _mm512_min_ps(_mm512_max_ps(_mm512_div_ps(x, scale), lo), hi);  // maxps: a NaN becomes lo
    return _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
  }
  BW_INLINE __m128i operator()(__m512 x) const { return _mm512_cvtepi32_epi8(rounded(x)); }
};

struct Operand {
  const uint8_t* data;
  int64_t step;
  __m512i zero;
  __m512 scale;
  Operand(const void* from, int64_t stride, Affine q)
      : data(static_cast<const uint8_t*>(from)),
        step(stride),
        zero(_mm512_set1_epi32(q.zero)),
        scale(_mm512_set1_ps(q.scale)) {}
  BW_INLINE __m512 operator()(int64_t i, __mmask16 mask) const {
    const __m128i codes = step ? _mm_maskz_loadu_epi8(mask, data + i) : _mm_set1_epi8(static_cast<char>(*data));
    return decode(codes, zero, scale);
  }
};

/// The codes of an operand as floats.
struct Codes {
  const uint8_t* data;
  int64_t step;
  Codes(const void* from, int64_t stride) : data(static_cast<const uint8_t*>(from)), step(stride) {}
  BW_INLINE __m512 operator()(int64_t i, __mmask16 mask) const {
    if (step == 0) return _mm512_set1_ps(*data);
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, data + i)));
  }
};

/// Operands as float numbers and the code of a float number, for the ops that are float steps.
struct FloatSteps {
  __m512 za, sa, zb, sb;
  Encoder encode;
  explicit FloatSteps(const BinaryArgs& args)
      : za(_mm512_set1_ps(static_cast<float>(args.qa.zero))),
        sa(_mm512_set1_ps(args.qa.scale)),
        zb(_mm512_set1_ps(static_cast<float>(args.qb.zero))),
        sb(_mm512_set1_ps(args.qb.scale)),
        encode(args.qy, args.lo, args.hi) {}
  BW_INLINE __m512 a(__m512 code) const { return _mm512_mul_ps(_mm512_sub_ps(code, za), sa); }
  BW_INLINE __m512 b(__m512 code) const { return _mm512_mul_ps(_mm512_sub_ps(code, zb), sb); }
};

// f: from 16 floats of each operand to rounded codes, which are then clamped.
template <class F>
BW_INLINE void binary(const BinaryArgs& args, int64_t begin, int64_t end, F f) {
  const Codes a(args.a, args.a_step), b(args.b, args.b_step);
  const FourOfCodes codes(args.lo, args.hi);
  auto* dst = static_cast<uint8_t*>(args.dst);
  const auto step = [&](int64_t i, auto mask_from) BW_INLINE_LAMBDA {
    __m512i v[4];
    BW_UNROLL
    for (int64_t j = 0; j < 4; ++j) {
      const __mmask16 mask = mask_from(i + 16 * j);
      v[j] = f(a(i + 16 * j, mask), b(i + 16 * j, mask));
    }
    return codes(v);
  };
  int64_t i = begin;
  for (; i + 64 <= end; i += 64)
    _mm512_storeu_si512(dst + i, step(i, [](int64_t) BW_INLINE_LAMBDA { return static_cast<__mmask16>(0xffff); }));
  if (i < end)
    _mm512_mask_storeu_epi8(dst + i, mask64(end - i), step(i, [&](int64_t at) BW_INLINE_LAMBDA { return mask16(end - at); }));
}

}  // namespace

void add_u8_avx512(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m512 ka = _mm512_set1_ps(args.ka), kb = _mm512_set1_ps(args.kb), k = _mm512_set1_ps(args.k);
  binary(args, begin, end, [=](__m512 a, __m512 b) BW_INLINE_LAMBDA {
    return rounded(_mm512_fmadd_ps(a, ka, _mm512_fmadd_ps(b, kb, k)));
  });
}

void mul_u8_avx512(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m512 za = _mm512_set1_ps(static_cast<float>(args.qa.zero)), zb = _mm512_set1_ps(static_cast<float>(args.qb.zero));
  const __m512 k = _mm512_set1_ps(args.k), zero = _mm512_set1_ps(static_cast<float>(args.qy.zero));
  binary(args, begin, end, [=](__m512 a, __m512 b) BW_INLINE_LAMBDA {
    const __m512 product = _mm512_mul_ps(_mm512_sub_ps(a, za), _mm512_sub_ps(b, zb));  // exact
    return rounded(_mm512_add_ps(_mm512_mul_ps(product, k), zero));
  });
}

void add_float_u8_avx512(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const FloatSteps steps(args);
  binary(args, begin, end, [=](__m512 a, __m512 b) BW_INLINE_LAMBDA {
    return steps.encode.rounded(_mm512_add_ps(steps.a(a), steps.b(b)));
  });
}

void mul_float_u8_avx512(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const FloatSteps steps(args);
  binary(args, begin, end, [=](__m512 a, __m512 b) BW_INLINE_LAMBDA {
    return steps.encode.rounded(_mm512_mul_ps(steps.a(a), steps.b(b)));
  });
}

// vdivps takes 10 cycles for 16 numbers on Intel before Ice Lake, and the products that correct a quotient 2.5. With the reciprocal
// correctly rounded, a quotient that is wrong by an ulp at most is correct after one more residual (Markstein 1990); the
// first makes it so. x is clamped to what becomes lo and hi before: nothing is infinite, and a NaN becomes lo.
void quantize_u8_avx512(const QuantizeArgs& args, int64_t begin, int64_t end) noexcept {
  const Encoder encode(args.q, args.lo, args.hi);
  auto* dst = static_cast<uint8_t*>(args.dst);
  int64_t i = begin;
  if (args.q.scale > 1e-30f && args.q.scale < 1e30f) {  // no step is subnormal or overflows
    const FourOfCodes codes(args.lo, args.hi);
    const __m512 reciprocal = _mm512_set1_ps(1.0f / args.q.scale), scale = encode.scale;
    const __m512 least = _mm512_mul_ps(encode.lo, scale), most = _mm512_mul_ps(encode.hi, scale);
    const auto quotient = [&](__m512 x) BW_INLINE_LAMBDA {
      x = _mm512_min_ps(_mm512_max_ps(x, least), most);
      __m512 q = _mm512_mul_ps(x, reciprocal);
      q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale, x), reciprocal, q);
      return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale, x), reciprocal, q);
    };
    for (; i + 64 <= end; i += 64) {
      __m512i v[4];
      BW_UNROLL
      for (int j = 0; j < 4; ++j) v[j] = _mm512_add_epi32(_mm512_cvtps_epi32(quotient(_mm512_loadu_ps(args.src + i + 16 * j))), encode.zero);
      _mm512_storeu_si512(dst + i, codes(v));
    }
  }
  for (; i < end; i += 16) {
    const __mmask16 mask = mask16(end - i);
    _mm_mask_storeu_epi8(dst + i, mask, encode(_mm512_maskz_loadu_ps(mask, args.src + i)));
  }
}

void dequantize_u8_avx512(const DequantizeArgs& args, int64_t begin, int64_t end) noexcept {
  const Operand src(args.src, 1, args.q);
  for (int64_t i = begin; i < end; i += 16) {
    const __mmask16 mask = mask16(end - i);
    _mm512_mask_storeu_ps(args.dst + i, mask, src(i, mask));
  }
}

void range_f32_avx512(const RangeArgs& args, int64_t begin, int64_t end) noexcept {
  __m512 lo = _mm512_set1_ps(*args.lo), hi = _mm512_set1_ps(*args.hi);
  for (int64_t i = begin; i < end; i += 16) {
    const __m512 x = _mm512_maskz_loadu_ps(mask16(end - i), args.src + i);  // zeros change nothing: 0 is always within
    lo = _mm512_min_ps(x, lo);  // of a NaN and of equal zeros the second operand is taken
    hi = _mm512_max_ps(x, hi);
  }
  *args.lo = _mm512_reduce_min_ps(lo);
  *args.hi = _mm512_reduce_max_ps(hi);
}

}  // namespace bitwright
