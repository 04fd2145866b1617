// The line kernel on 256-bit registers, as depthwise_lines_avx512.cpp in halves: a vector holds 32 channels of one column, or 16
// of two. Included by one file per instruction set, which gives the multiply-add as a class with
//   Weights                                 4 taps of 8 channels, as add() wants them
//   set(Weights&, lane, const int8_t*)      those of one 128-bit lane, 4 channels [4][4]
//   __m256i add(acc, codes, const Weights&) acc + the 4 products of each 32-bit lane, exactly
//
// Quarter q of a vector: the channels 4 q to 4 q + 3 of each 128-bit lane. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/conv/depthwise.hpp"
#include "kernels/dot/finish_ymm.hpp"

namespace bitwright {
namespace {

/// Weights as vpdpbusd takes them.
struct PlainWeights {
  struct Weights {
    alignas(32) int8_t bytes[32];
    BW_INLINE __m256i load() const { return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes)); }
  };
  static void set(Weights& to, int32_t lane, const int8_t* from) { __builtin_memcpy(to.bytes + 16 * lane, from, 16); }
};

/// Of a panel's channels [32 h, 32 h + 32).
template <class Step>
struct HalfConstants {
  alignas(32) int32_t offset[4][8];
  alignas(32) float m32[4][8];
  typename Step::Weights weights[DepthwiseLine::kMostGroups][4];
};
template <class Step>
struct LineConstants {
  HalfConstants<Step> half[2];
  PackedCodesF32 codes;
};

template <class Step>
void prepare_lines(const DotArgs& d, void* memory) noexcept {
  static_assert(sizeof(LineConstants<Step>) <= kDepthwiseConstantBytes);
  auto& out = *static_cast<LineConstants<Step>*>(memory);
  static constexpr int8_t kNone[16] = {};
  const int32_t blocks = static_cast<int32_t>(column_bytes(d.width) / 16);
  out.codes = PackedCodesF32(d.requantize);
  for (int32_t h = 0; h < 2; ++h)
    for (int32_t q = 0; q < 4; ++q)
      for (int32_t lane = 0; lane < 2; ++lane) {
        const int32_t channel = (2 * h + lane) % blocks * 16 + 4 * q;
        const bool real = channel < d.width;
        __builtin_memcpy(&out.half[h].offset[q][4 * lane], d.offset + channel, 16);
        if (d.form == DotForm::u8) __builtin_memcpy(&out.half[h].m32[q][4 * lane], d.requantize.m32 + channel, 16);
        for (int64_t k = 0; k < d.k4; ++k)
          Step::set(out.half[h].weights[k][q], lane, real ? d.b + (k * d.width + channel) * 4 : kNone);
      }
}

struct Quarters {
  __m256i q[4];
};

BW_INLINE __m256i load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

BW_INLINE Quarters interleave(__m256i t0, __m256i t1, __m256i t2, __m256i t3) {
  const __m256i a = _mm256_unpacklo_epi8(t0, t1), b = _mm256_unpackhi_epi8(t0, t1);
  const __m256i c = _mm256_unpacklo_epi8(t2, t3), d = _mm256_unpackhi_epi8(t2, t3);
  return {{_mm256_unpacklo_epi16(a, c), _mm256_unpackhi_epi16(a, c), _mm256_unpacklo_epi16(b, d),
           _mm256_unpackhi_epi16(b, d)}};
}

/// The taps of a kernel of kSize x kSize in the order of depthwise_taps().
template <int kSize>
struct Taps {
  const uint8_t* row[kSize];
  int64_t at[kSize];
  BW_INLINE Taps(const DepthwiseLine& line, int64_t step, int64_t channel) {
    BW_UNROLL
    for (int k = 0; k < kSize; ++k) {
      row[k] = line.lines[k] + channel;
      at[k] = line.column(k, step);
    }
  }
  template <int kRow>
  BW_INLINE __m256i tap(int kx, int64_t pixel) const {
    if constexpr (kRow < kSize) return load(row[kRow] + at[kx] + pixel);
    return _mm256_setzero_si256();
  }
  template <int kRow>
  BW_INLINE Quarters vertical(int kx, int64_t pixel) const {
    return interleave(tap<kRow>(kx, pixel), tap<kRow + 1>(kx, pixel), tap<kRow + 2>(kx, pixel), tap<kRow + 3>(kx, pixel));
  }
};

template <class Step>
BW_INLINE void add(Quarters& acc, const Quarters& x, const typename Step::Weights (&weights)[4]) {
  BW_UNROLL
  for (int q = 0; q < 4; ++q) {
    __m256i sum = Step::add(acc.q[q], x.q[q], weights[q]);
    __asm__("" : "+x"(sum));  // else the compiler adds products of all columns at the end, and has no registers for them
    acc.q[q] = sum;
  }
}

/// 32 sums of `pixel`, a multiple of the column's bytes.
template <class Step, int kSize>
BW_INLINE Quarters sum(const Taps<kSize>& taps, const HalfConstants<Step>& c, int64_t pixel) {
  Quarters acc;
  BW_UNROLL
  for (int q = 0; q < 4; ++q) acc.q[q] = _mm256_load_si256(reinterpret_cast<const __m256i*>(c.offset[q]));
  BW_UNROLL
  for (int k = 0; k < kSize; ++k) add<Step>(acc, taps.template vertical<0>(k, pixel), c.weights[k]);
  if constexpr (kSize == 7) {
    BW_UNROLL
    for (int k = 0; k < kSize; ++k) add<Step>(acc, taps.template vertical<4>(k, pixel), c.weights[kSize + k]);
  }
  if constexpr (kSize == 5) {  // the fifth row, four columns and one
    add<Step>(acc, interleave(taps.template tap<4>(0, pixel), taps.template tap<4>(1, pixel), taps.template tap<4>(2, pixel),
                              taps.template tap<4>(3, pixel)), c.weights[5]);
    const __m256i none = _mm256_setzero_si256();
    add<Step>(acc, interleave(taps.template tap<4>(4, pixel), none, none, none), c.weights[6]);
  }
  return acc;
}

/// Where a half's outputs go: 32 columns of a pixel, or 16 of two.
struct LineOutput {
  const DotArgs& d;
  int64_t count;  // pixels
  int64_t together;
  int32_t column, columns;  // the half's first, and how many of it are real

  BW_INLINE void codes(int64_t pixel, __m256i v) const {
    uint8_t* dst = static_cast<uint8_t*>(d.dst) + pixel * d.dst_stride + column;
    if (together == 1 && columns >= 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), v);
      return;
    }
    store_codes(dst, _mm256_castsi256_si128(v), columns);
    if (together == 2 && pixel + 1 < count) store_codes(dst + d.dst_stride, _mm256_extracti128_si256(v, 1), columns);
    if (together == 1 && columns > 16) store_codes(dst + 16, _mm256_extracti128_si256(v, 1), columns - 16);
  }
  // What is not plain codes, from memory and in the channels' order.
  BW_NOIPA void sums(int64_t pixel, __m256i q0, __m256i q1, __m256i q2, __m256i q3) const {
    alignas(32) int32_t quarter[4][8], acc[16];
    const __m256i v[4] = {q0, q1, q2, q3};
    for (int q = 0; q < 4; ++q) _mm256_store_si256(reinterpret_cast<__m256i*>(quarter[q]), v[q]);
    for (int lane = 0; lane < 2; ++lane) {
      for (int q = 0; q < 4; ++q) __builtin_memcpy(acc + 4 * q, quarter[q] + 4 * lane, 16);
      const int64_t to = together == 2 ? pixel + lane : pixel;
      const int32_t first = together == 2 ? 0 : column + 16 * lane;
      if (to < count && first < d.columns) finish_row(d, to, first, acc);
    }
  }
};

template <class Step, int kSize>
BW_NOIPA void run_half(const HalfConstants<Step>& c, const PackedCodesF32& packed, const DepthwiseLine& line,
                       const LineOutput& out, int64_t step) {
  const Taps<kSize> taps(line, step, out.column);
  if (!plain_codes(out.d)) {
    for (int64_t pixel = 0; pixel < line.count; pixel += out.together) {
      const Quarters acc = sum<Step, kSize>(taps, c, pixel * step);
      out.sums(pixel, acc.q[0], acc.q[1], acc.q[2], acc.q[3]);
    }
    return;
  }
  const PackedCodesF32 codes = packed;
  for (int64_t pixel = 0; pixel < line.count; pixel += out.together) {
    const Quarters acc = sum<Step, kSize>(taps, c, pixel * step);
    __m256i v[4];
    BW_UNROLL
    for (int q = 0; q < 4; ++q) v[q] = codes.round(acc.q[q], c.m32[q]);
    out.codes(pixel, codes.in_lane_order(v[0], v[1], v[2], v[3]));
  }
}

template <class Step>
void run_line(const DotArgs& d, const void* constants, const DepthwiseLine& line) noexcept {
  const auto& c = *static_cast<const LineConstants<Step>*>(constants);
  const int64_t step = column_bytes(d.width);
  for (int32_t column = 0; column < d.columns; column += 32) {
    const LineOutput out{d, line.count, step == 16 ? 2 : 1, column, d.columns - column};
    if (line.size == 3)
      run_half<Step, 3>(c.half[column / 32], c.codes, line, out, step);
    else if (line.size == 5)
      run_half<Step, 5>(c.half[column / 32], c.codes, line, out, step);
    else
      run_half<Step, 7>(c.half[column / 32], c.codes, line, out, step);
  }
}

}  // namespace
}  // namespace bitwright
