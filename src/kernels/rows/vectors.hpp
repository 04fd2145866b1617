// Vectors of floats for kernels that give the same bits on every instruction set: thin primitives for each, and the algorithms
// on top of them. A kernel's <name>_<isa>.cpp defines BW_LANES (16: AVX-512, 8: AVX2 with FMA, 4: plain C++) and then includes
// its body. Every operation is one IEEE operation per lane; fma() is one rounding, in plain C++ too. Everything has internal
// linkage.
#pragma once

#if BW_LANES > 4
#include <immintrin.h>
#endif

#include <cstdint>

#include "kernels/attributes.hpp"

namespace bitwright {
namespace {

constexpr int kLanes = BW_LANES, kSums = 32, kParts = kSums / kLanes;  // enough sums to hide the latency of additions

// Per instruction set. maximum(a, b) is a > b ? a : b and minimum a < b ? a : b, so b where one is a NaN; less(a, b, yes, no) is
// a < b ? yes : no. load() fills what lies behind `count`, store() leaves it alone.
#if BW_LANES == 16
typedef __m512 F;
typedef __m512i I;
BW_INLINE __mmask16 lanes_of(int64_t count) { return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1); }
BW_INLINE F splat(float x) { return _mm512_set1_ps(x); }
BW_INLINE F load(const float* from) { return _mm512_loadu_ps(from); }
BW_INLINE F load(const float* from, int64_t count, float filler) {
  return _mm512_mask_loadu_ps(splat(filler), lanes_of(count), from);
}
BW_INLINE void store(float* to, F x) { _mm512_storeu_ps(to, x); }
BW_INLINE void store(float* to, F x, int64_t count) { _mm512_mask_storeu_ps(to, lanes_of(count), x); }
BW_INLINE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
BW_INLINE F maximum(F a, F b) { return _mm512_max_ps(a, b); }
BW_INLINE F minimum(F a, F b) { return _mm512_min_ps(a, b); }
BW_INLINE F less(F a, F b, F yes, F no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes); }
BW_INLINE F ordered(F x, F yes, F no) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), no, yes); }
BW_INLINE F magnitude(F x) { return _mm512_abs_ps(x); }
BW_INLINE I truncated(F x) { return _mm512_cvttps_epi32(x); }
BW_INLINE F as_floats(I x) { return _mm512_cvtepi32_ps(x); }
/// 2^n x of a positive x, where both are normal; n stands in the low bits of `shifted`.
BW_INLINE F times_power(F x, F shifted) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}
struct Table16 {
  F all;
  explicit Table16(const float* from) : all(_mm512_loadu_ps(from)) {}
  BW_INLINE F operator[](I at) const { return _mm512_permutexvar_ps(at, all); }
};
#elif BW_LANES == 8
typedef __m256 F;
typedef __m256i I;
alignas(32) constexpr int32_t kMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
BW_INLINE I lanes_of(int64_t count) {
  return _mm256_loadu_si256(reinterpret_cast<const I*>(kMasks + 8 - (count >= 8 ? 8 : count <= 0 ? 0 : count)));
}
BW_INLINE F splat(float x) { return _mm256_set1_ps(x); }
BW_INLINE F load(const float* from) { return _mm256_loadu_ps(from); }
BW_INLINE F load(const float* from, int64_t count, float filler) {
  const I mask = lanes_of(count);
  return _mm256_blendv_ps(splat(filler), _mm256_maskload_ps(from, mask), _mm256_castsi256_ps(mask));
}
BW_INLINE void store(float* to, F x) { _mm256_storeu_ps(to, x); }
BW_INLINE void store(float* to, F x, int64_t count) { _mm256_maskstore_ps(to, lanes_of(count), x); }
BW_INLINE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
BW_INLINE F maximum(F a, F b) { return _mm256_max_ps(a, b); }
BW_INLINE F minimum(F a, F b) { return _mm256_min_ps(a, b); }
BW_INLINE F less(F a, F b, F yes, F no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
BW_INLINE F ordered(F x, F yes, F no) { return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, x, _CMP_ORD_Q)); }
BW_INLINE F magnitude(F x) { return _mm256_andnot_ps(splat(-0.0f), x); }
BW_INLINE I truncated(F x) { return _mm256_cvttps_epi32(x); }
BW_INLINE F as_floats(I x) { return _mm256_cvtepi32_ps(x); }
BW_INLINE F times_power(F x, F shifted) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
struct Table16 {
  F low, high;
  explicit Table16(const float* from) : low(_mm256_loadu_ps(from)), high(_mm256_loadu_ps(from + 8)) {}
  BW_INLINE F operator[](I at) const {
    const F upper = _mm256_castsi256_ps(_mm256_slli_epi32(at, 28));  // bit 3 of the index as the sign
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, at), _mm256_permutevar8x32_ps(high, at), upper);
  }
};
#else
typedef float F __attribute__((vector_size(16)));
typedef int32_t I __attribute__((vector_size(16)));
template <class Lane>
BW_INLINE F each(Lane lane) {
  F y;
  for (int i = 0; i < 4; ++i) y[i] = lane(i);
  return y;
}
BW_INLINE F splat(float x) { return F{x, x, x, x}; }
BW_INLINE F load(const float* from) { return each([&](int i) { return from[i]; }); }
BW_INLINE F load(const float* from, int64_t count, float filler) { return each([&](int i) { return i < count ? from[i] : filler; }); }
BW_INLINE void store(float* to, F x, int64_t count) {
  for (int i = 0; i < 4 && i < count; ++i) to[i] = x[i];
}
BW_INLINE void store(float* to, F x) { store(to, x, 4); }
BW_INLINE F fma(F a, F b, F c) { return each([&](int i) { return __builtin_fmaf(a[i], b[i], c[i]); }); }
BW_INLINE F maximum(F a, F b) { return each([&](int i) { return a[i] > b[i] ? a[i] : b[i]; }); }
BW_INLINE F minimum(F a, F b) { return each([&](int i) { return a[i] < b[i] ? a[i] : b[i]; }); }
BW_INLINE F less(F a, F b, F yes, F no) { return each([&](int i) { return a[i] < b[i] ? yes[i] : no[i]; }); }
BW_INLINE F ordered(F x, F yes, F no) { return each([&](int i) { return x[i] == x[i] ? yes[i] : no[i]; }); }
BW_INLINE F magnitude(F x) { return each([&](int i) { return __builtin_fabsf(x[i]); }); }
BW_INLINE I truncated(F x) {
  I y;
  for (int i = 0; i < 4; ++i) y[i] = static_cast<int32_t>(x[i]);
  return y;
}
BW_INLINE F as_floats(I x) { return each([&](int i) { return static_cast<float>(x[i]); }); }
BW_INLINE F times_power(F x, F shifted) {
  typedef uint32_t U __attribute__((vector_size(16)));
  return (F)((U)x + ((U)shifted << 23));
}
struct Table16 {
  const float* all;
  explicit Table16(const float* from) : all(from) {}
  BW_INLINE F operator[](I at) const { return each([&](int i) { return all[at[i] & 15]; }); }
};
#endif

/// exp(x) of x in [-87, 88]: 2^n times a polynomial in what is left of x, |r| <= ln 2 / 2, whose coefficients are fitted to
/// (exp(r) - 1 - r) / r^2 (relative error of the polynomial 3e-9).
BW_INLINE F exponential(F x) {
  const F magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits
  const F shifted = fma(x, splat(1.44269504f), magic);
  const F n = shifted - magic;
  const F r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), x));  // ln 2 in two parts, the first exact in few bits
  F p = fma(r, splat(1.38145243e-3f), splat(8.36877897e-3f));
  p = fma(p, r, splat(4.16683927e-2f));
  p = fma(p, r, splat(0.166665196f));
  p = fma(p, r, splat(0.49999994f));
  p = fma(p, r, splat(1.0f));
  return times_power(fma(p, r, splat(1.0f)), shifted);
}

/// exp of x <= 0: 0 from -87 down, and a NaN stays one.
BW_INLINE F exponential_down(F x) { return less(splat(-87.0f), x, exponential(x), maximum(splat(0.0f), x)); }

/// Parts i and i + half added, again and again until one vector is left.
BW_INLINE F one_part(const F (&x)[kParts]) {
  F y[kParts];
  BW_UNROLL
  for (int i = 0; i < kParts; ++i) y[i] = x[i];
  BW_UNROLL
  for (int half = kParts / 2; half > 0; half /= 2) {
    BW_UNROLL
    for (int i = 0; i < half; ++i) y[i] = y[i] + y[i + half];
  }
  return y[0];
}

// sum_of: partial sums added pairwise, i and i + 16, then i and i + 8, i + 4, i + 2, i + 1. most_of: the greatest lane.
#if BW_LANES == 4
BW_INLINE float sum_of(const F (&x)[kParts]) {
  const F y = one_part(x);
  return (y[0] + y[2]) + (y[1] + y[3]);
}
BW_INLINE float most_of(F x) {
  float most = x[0];
  for (int i = 1; i < 4; ++i) most = x[i] > most ? x[i] : most;
  return most;
}
#else
/// op(lower half, upper half) again and again.
template <class Op>
BW_INLINE float folded(__m256 x, Op op) {
  __m128 y = op(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = op(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(op(y, _mm_movehdup_ps(y)));
}
#if BW_LANES == 16
BW_INLINE __m256 upper(F x) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1)); }
BW_INLINE __m256 halves_added(F x) { return _mm512_castps512_ps256(x) + upper(x); }
BW_INLINE __m256 halves_most(F x) { return _mm256_max_ps(_mm512_castps512_ps256(x), upper(x)); }
#else
BW_INLINE __m256 halves_added(F x) { return x; }
BW_INLINE __m256 halves_most(F x) { return x; }
#endif
BW_INLINE float sum_of(const F (&x)[kParts]) {
  return folded(halves_added(one_part(x)), [](__m128 a, __m128 b) BW_INLINE_LAMBDA { return a + b; });
}
BW_INLINE float most_of(F x) {
  return folded(halves_most(x), [](__m128 a, __m128 b) BW_INLINE_LAMBDA { return _mm_max_ps(a, b); });
}
#endif

}  // namespace
}  // namespace bitwright
