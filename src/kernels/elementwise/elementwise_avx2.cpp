// AVX2: 8 lanes of float steps. Tails are copied into a full vector's worth of memory and back.
#include <immintrin.h>

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

BW_INLINE __m256i load256(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
BW_INLINE void store256(uint8_t* p, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }

// The least `count` bytes or floats of memory, the rest 0.
BW_INLINE __m128i load_codes(const uint8_t* p, int64_t count) {
  alignas(8) uint8_t bytes[8] = {};
  __builtin_memcpy(bytes, p, static_cast<unsigned long>(count < 8 ? count : 8));
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
}
BW_INLINE __m256i lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count < 8 ? count : 8)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
BW_INLINE void store_codes(uint8_t* p, __m128i codes, int64_t count) {
  alignas(8) uint8_t bytes[8];
  _mm_storel_epi64(reinterpret_cast<__m128i*>(bytes), codes);
  __builtin_memcpy(p, bytes, static_cast<unsigned long>(count < 8 ? count : 8));
}

BW_INLINE __m256 decode(__m128i codes, __m256i zero, __m256 scale) {
  return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepu8_epi32(codes), zero)), scale);
}

BW_INLINE __m128i to_bytes(__m256i codes) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
  return _mm_packus_epi16(words, words);
}

struct Encoder {
  __m256 scale, lo, hi;
  __m256i zero;
  Encoder(Affine q, int32_t low, int32_t high)
      : scale(_mm256_set1_ps(q.scale)),
        lo(_mm256_set1_ps(static_cast<float>(low - q.zero))),
        hi(_mm256_set1_ps(static_cast<float>(high - q.zero))),
        zero(_mm256_set1_epi32(q.zero)) {}
  BW_INLINE __m128i operator()(__m256 x) const {
    const __m256 v = _mm256_min_ps(_mm256_max_ps(_mm256_div_ps(x, scale), lo), hi);  // maxps: a NaN becomes lo
    return to_bytes(_mm256_add_epi32(_mm256_cvtps_epi32(v), zero));
  }
};

struct Operand {
  const uint8_t* data;
  int64_t step;
  __m256i zero;
  __m256 scale;
  Operand(const void* from, int64_t stride, Affine q)
      : data(static_cast<const uint8_t*>(from)),
        step(stride),
        zero(_mm256_set1_epi32(q.zero)),
        scale(_mm256_set1_ps(q.scale)) {}
  BW_INLINE __m256 operator()(int64_t i, int64_t count) const {
    if (step == 0) return decode(_mm_set1_epi8(static_cast<char>(*data)), zero, scale);
    if (count >= 8) return decode(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + i)), zero, scale);
    return decode(load_codes(data + i, count), zero, scale);
  }
};

/// The codes of an operand as floats.
struct Codes {
  const uint8_t* data;
  int64_t step;
  Codes(const void* from, int64_t stride) : data(static_cast<const uint8_t*>(from)), step(stride) {}
  BW_INLINE __m256 operator()(int64_t i, int64_t count) const {
    if (step == 0) return _mm256_set1_ps(*data);
    const __m128i codes =
        count >= 8 ? _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + i)) : load_codes(data + i, count);
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(codes));
  }
};

template <class F>
BW_INLINE void binary(const BinaryArgs& args, int64_t begin, int64_t end, F f) {
  const Codes a(args.a, args.a_step), b(args.b, args.b_step);
  const __m256 lo = _mm256_set1_ps(static_cast<float>(args.lo)), hi = _mm256_set1_ps(static_cast<float>(args.hi));
  const auto code = [&](int64_t i, int64_t count) BW_INLINE_LAMBDA {
    return to_bytes(_mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(f(a(i, count), b(i, count)), lo), hi)));
  };
  auto* dst = static_cast<uint8_t*>(args.dst);
  int64_t i = begin;
  for (; i + 8 <= end; i += 8) _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + i), code(i, 8));
  if (i < end) store_codes(dst + i, code(i, end - i), end - i);
}

// 32 lookups: one pshufb per 16 entries of the table, kept where the high nibble matches.
BW_INLINE __m256i lookup(const __m256i (&table)[16], __m256i x) {
  const __m256i low = _mm256_and_si256(x, _mm256_set1_epi8(15));
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
  __m256i out = _mm256_setzero_si256();
  BW_UNROLL
  for (int i = 0; i < 16; ++i) {
    const __m256i here = _mm256_cmpeq_epi8(high, _mm256_set1_epi8(static_cast<char>(i)));
    out = _mm256_or_si256(out, _mm256_and_si256(here, _mm256_shuffle_epi8(table[i], low)));
  }
  return out;
}

// Lanes merged into *lo and *hi.
void merge_range(const RangeArgs& args, __m256 lo, __m256 hi) {
  alignas(32) float least[8], most[8];
  _mm256_store_ps(least, lo);
  _mm256_store_ps(most, hi);
  for (int i = 0; i < 8; ++i) {
    if (least[i] < *args.lo) *args.lo = least[i];
    if (most[i] > *args.hi) *args.hi = most[i];
  }
}

}  // namespace

void lookup_u8_avx2(const LookupArgs& args, int64_t begin, int64_t end) noexcept {
  __m256i table[16];
  for (int i = 0; i < 16; ++i)
    table[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(args.table + 16 * i)));
  int64_t i = begin;
  for (; i + 32 <= end; i += 32) store256(args.dst + i, lookup(table, load256(args.src + i)));
  for (; i < end; ++i) args.dst[i] = args.table[args.src[i]];
}

void add_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m256 ka = _mm256_set1_ps(args.ka), kb = _mm256_set1_ps(args.kb), k = _mm256_set1_ps(args.k);
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    return _mm256_fmadd_ps(a, ka, _mm256_fmadd_ps(b, kb, k));
  });
}

void mul_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m256 za = _mm256_set1_ps(static_cast<float>(args.qa.zero)), zb = _mm256_set1_ps(static_cast<float>(args.qb.zero));
  const __m256 k = _mm256_set1_ps(args.k), zero = _mm256_set1_ps(static_cast<float>(args.qy.zero));
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    const __m256 product = _mm256_mul_ps(_mm256_sub_ps(a, za), _mm256_sub_ps(b, zb));  // exact
    return _mm256_add_ps(_mm256_mul_ps(product, k), zero);
  });
}

void quantize_u8_avx2(const QuantizeArgs& args, int64_t begin, int64_t end) noexcept {
  const Encoder encode(args.q, args.lo, args.hi);
  auto* dst = static_cast<uint8_t*>(args.dst);
  for (int64_t i = begin; i < end; i += 8) {
    const __m256 x = end - i >= 8 ? _mm256_loadu_ps(args.src + i) : _mm256_maskload_ps(args.src + i, lanes(end - i));
    const __m128i codes = encode(x);
    if (end - i >= 8)
      _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + i), codes);
    else
      store_codes(dst + i, codes, end - i);
  }
}

void dequantize_u8_avx2(const DequantizeArgs& args, int64_t begin, int64_t end) noexcept {
  const Operand src(args.src, 1, args.q);
  for (int64_t i = begin; i < end; i += 8) {
    if (end - i >= 8)
      _mm256_storeu_ps(args.dst + i, src(i, 8));
    else
      _mm256_maskstore_ps(args.dst + i, lanes(end - i), src(i, end - i));
  }
}

void range_f32_avx2(const RangeArgs& args, int64_t begin, int64_t end) noexcept {
  __m256 lo = _mm256_set1_ps(*args.lo), hi = _mm256_set1_ps(*args.hi);
  for (int64_t i = begin; i < end; i += 8) {
    const __m256 x = end - i >= 8 ? _mm256_loadu_ps(args.src + i) : _mm256_maskload_ps(args.src + i, lanes(end - i));
    lo = _mm256_min_ps(x, lo);  // of a NaN and of equal zeros the second operand is taken
    hi = _mm256_max_ps(x, hi);
  }
  merge_range(args, lo, hi);
}

}  // namespace bitwright
