// AVX2: 8 lanes of float steps; sums and products 32 codes at a time. Tails are copied into a full vector's worth of memory
// and back.
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
  BW_INLINE __m256i rounded(__m256 x) const {
    const __m256 v = _mm256_min_ps(_mm256_max_ps(_mm256_div_ps(x, scale), lo), hi);  // maxps: a NaN becomes lo
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), zero);
  }
  BW_INLINE __m128i operator()(__m256 x) const { return to_bytes(rounded(x)); }
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

/// 32 codes of an operand as floats, in the order that unpacking leaves them in, which packing undoes.
struct Codes {
  const uint8_t* data;
  int64_t step;
  Codes(const void* from, int64_t stride) : data(static_cast<const uint8_t*>(from)), step(stride) {}
  BW_INLINE void operator()(int64_t i, __m256 (&x)[4]) const {
    if (step == 0) {
      x[0] = x[1] = x[2] = x[3] = _mm256_set1_ps(*data);
      return;
    }
    const __m256i codes = load256(data + i), none = _mm256_setzero_si256();
    const __m256i low = _mm256_unpacklo_epi8(codes, none), high = _mm256_unpackhi_epi8(codes, none);
    x[0] = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(low, none));
    x[1] = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(low, none));
    x[2] = _mm256_cvtepi32_ps(_mm256_unpacklo_epi16(high, none));
    x[3] = _mm256_cvtepi32_ps(_mm256_unpackhi_epi16(high, none));
  }
};

// f: from 8 floats of each operand to rounded codes, which are then clamped.
template <class F>
BW_INLINE void binary_range(const Codes& a, const Codes& b, const BinaryArgs& args, uint8_t* dst, int64_t begin, int64_t end, F f) {
  const __m256i lo = _mm256_set1_epi8(static_cast<char>(args.lo)), hi = _mm256_set1_epi8(static_cast<char>(args.hi));
  for (int64_t i = begin; i < end; i += 32) {
    __m256 x[4], y[4];
    __m256i v[4];
    a(i, x);
    b(i, y);
    BW_UNROLL
    for (int j = 0; j < 4; ++j) v[j] = f(x[j], y[j]);
    const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    store256(dst + i, _mm256_min_epu8(_mm256_max_epu8(bytes, lo), hi));
  }
}

template <class F>
BW_INLINE void binary(const BinaryArgs& args, int64_t begin, int64_t end, F f) {
  Codes a(args.a, args.a_step), b(args.b, args.b_step);
  auto* dst = static_cast<uint8_t*>(args.dst);
  const int64_t whole = begin + (end - begin) / 32 * 32, left = end - whole;
  binary_range(a, b, args, dst, begin, whole, f);
  if (left == 0) return;
  alignas(32) uint8_t x[32] = {}, y[32] = {}, out[32];
  __builtin_memcpy(x, a.step ? a.data + whole : a.data, static_cast<unsigned long>(a.step ? left : 1));
  __builtin_memcpy(y, b.step ? b.data + whole : b.data, static_cast<unsigned long>(b.step ? left : 1));
  a.data = x, b.data = y;
  binary_range(a, b, args, out, 0, 32, f);
  __builtin_memcpy(dst + whole, out, static_cast<unsigned long>(left));
}

/// Rounded; what is more than a byte saturates in any case, and must not overflow before.
BW_INLINE __m256i rounded(__m256 v) { return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(65536.0f))); }

/// Operands as float numbers and the code of a float number, for the ops that are float steps.
struct FloatSteps {
  __m256 za, sa, zb, sb;
  Encoder encode;
  explicit FloatSteps(const BinaryArgs& args)
      : za(_mm256_set1_ps(static_cast<float>(args.qa.zero))),
        sa(_mm256_set1_ps(args.qa.scale)),
        zb(_mm256_set1_ps(static_cast<float>(args.qb.zero))),
        sb(_mm256_set1_ps(args.qb.scale)),
        encode(args.qy, args.lo, args.hi) {}
  BW_INLINE __m256 a(__m256 code) const { return _mm256_mul_ps(_mm256_sub_ps(code, za), sa); }
  BW_INLINE __m256 b(__m256 code) const { return _mm256_mul_ps(_mm256_sub_ps(code, zb), sb); }
};

// 64 lookups: one pshufb per 16 entries, which gives 0 where the index, less 16 each time, is negative. Entries are XORs of
// neighbouring blocks, so that what is selected on the way adds up to the block that was meant. An index from 128 on is
// negative at first and misses the first of the XORs; they are in those of 8 blocks further.
struct LookupTable {
  __m128i part[16];
  explicit LookupTable(const uint8_t* table) {
    __m128i before = _mm_setzero_si128();
    for (int i = 0; i < 16; ++i) {
      const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * i));
      part[i] = _mm_xor_si128(here, before);
      if (i >= 8) part[i] = _mm_xor_si128(part[i], part[i - 8]);
      before = here;
    }
  }
};

BW_INLINE void lookup64(const LookupTable& table, const uint8_t* src, uint8_t* dst) {
  const __m256i block = _mm256_set1_epi8(16);
  __m256i x = load256(src), y = load256(src + 32), u = _mm256_setzero_si256(), v = u;
  BW_UNROLL
  for (int i = 0; i < 16; ++i) {
    const __m256i entries = _mm256_broadcastsi128_si256(table.part[i]);
    u = _mm256_xor_si256(u, _mm256_shuffle_epi8(entries, x));
    v = _mm256_xor_si256(v, _mm256_shuffle_epi8(entries, y));
    x = i < 8 ? _mm256_sub_epi8(x, block) : _mm256_subs_epi8(x, block);
    y = i < 8 ? _mm256_sub_epi8(y, block) : _mm256_subs_epi8(y, block);
  }
  store256(dst, u);
  store256(dst + 32, v);
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
  int64_t i = begin;
  if (end - begin >= 64) {
    const LookupTable table(args.table);
    for (; i + 64 <= end; i += 64) lookup64(table, args.src + i, args.dst + i);
  }
  for (; i < end; ++i) args.dst[i] = args.table[args.src[i]];
}

void add_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m256 ka = _mm256_set1_ps(args.ka), kb = _mm256_set1_ps(args.kb), k = _mm256_set1_ps(args.k);
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    return rounded(_mm256_fmadd_ps(a, ka, _mm256_fmadd_ps(b, kb, k)));
  });
}

void mul_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const __m256 za = _mm256_set1_ps(static_cast<float>(args.qa.zero)), zb = _mm256_set1_ps(static_cast<float>(args.qb.zero));
  const __m256 k = _mm256_set1_ps(args.k), zero = _mm256_set1_ps(static_cast<float>(args.qy.zero));
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    const __m256 product = _mm256_mul_ps(_mm256_sub_ps(a, za), _mm256_sub_ps(b, zb));  // exact
    return rounded(_mm256_add_ps(_mm256_mul_ps(product, k), zero));
  });
}

void add_float_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const FloatSteps steps(args);
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    return steps.encode.rounded(_mm256_add_ps(steps.a(a), steps.b(b)));
  });
}

void mul_float_u8_avx2(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  const FloatSteps steps(args);
  binary(args, begin, end, [=](__m256 a, __m256 b) BW_INLINE_LAMBDA {
    return steps.encode.rounded(_mm256_mul_ps(steps.a(a), steps.b(b)));
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
