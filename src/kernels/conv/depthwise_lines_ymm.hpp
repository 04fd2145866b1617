// The line kernel on 256-bit registers, as depthwise_lines_avx512.cpp in halves: a vector holds 32 channels of one column, or 16
// of two. Included by one file per instruction set, which gives the multiply-add as a class with
//   Weights                                 4 taps of 8 channels, as add() wants them
//   set(Weights&, lane, const int8_t*)      those of one 128-bit lane, 4 channels [4][4]
//   Codes codes(__m256i)                    4 taps of 8 channels, as add() wants them
//   __m256i add(acc, Codes, const Weights&) acc + the 4 products of each 32-bit lane, exactly
//   kPixels                                 neighbours that share a column's interleaved taps, as registers allow
//
// Quarter q of a vector: the channels 4 q to 4 q + 3 of each 128-bit lane. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/conv/copy.hpp"
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
  static BW_INLINE __m256i codes(__m256i x) { return x; }
  static constexpr int kPixels = 2;
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

/// The taps of a kernel of kSize x kSize, for kPixels neighbours (more than 1: of stride and dilation 1), in the order of
/// depthwise_taps().
template <int kSize, int kPixels>
struct Taps {
  static constexpr int kColumns = kSize + kPixels - 1;
  const uint8_t* row[kSize];
  int64_t at[kColumns];
  BW_INLINE Taps(const DepthwiseLine& line, int64_t step, int64_t channel) {
    BW_UNROLL
    for (int k = 0; k < kSize; ++k) row[k] = line.lines[k] + channel;
    BW_UNROLL
    for (int k = 0; k < kColumns; ++k) at[k] = line.column(k, step);
  }
  template <int kRow>
  BW_INLINE __m256i tap(int column, int64_t pixel) const {
    if constexpr (kRow < kSize) return load(row[kRow] + at[column] + pixel);
    return _mm256_setzero_si256();
  }
  template <int kRow>
  BW_INLINE Quarters vertical(int column, int64_t pixel) const {
    return interleave(tap<kRow>(column, pixel), tap<kRow + 1>(column, pixel), tap<kRow + 2>(column, pixel),
                      tap<kRow + 3>(column, pixel));
  }
};

/// Adds a column to every pixel that sees it, as its kernel column `column - pixel`.
template <class Step, int kSize, int kPixels>
BW_INLINE void add(Quarters (&acc)[kPixels], const Quarters& x, int column, const typename Step::Weights (*weights)[4]) {
  BW_UNROLL
  for (int q = 0; q < 4; ++q) {
    const auto codes = Step::codes(x.q[q]);
    BW_UNROLL
    for (int p = 0; p < kPixels; ++p) {
      if (column < p || column - p >= kSize) continue;
      __m256i sum = Step::add(acc[p].q[q], codes, weights[column - p][q]);
      __asm__("" : "+x"(sum));  // else the compiler adds products of all columns at the end, and has no registers for them
      acc[p].q[q] = sum;
    }
  }
}

/// 32 sums of each pixel; `pixel`: where the first one's column begins.
template <class Step, int kSize, int kPixels>
BW_INLINE void sum(const Taps<kSize, kPixels>& taps, const HalfConstants<Step>& c, int64_t pixel, Quarters (&acc)[kPixels]) {
  BW_UNROLL
  for (int p = 0; p < kPixels; ++p) {
    BW_UNROLL
    for (int q = 0; q < 4; ++q) acc[p].q[q] = _mm256_load_si256(reinterpret_cast<const __m256i*>(c.offset[q]));
  }
  BW_UNROLL
  for (int k = 0; k < taps.kColumns; ++k) add<Step, kSize>(acc, taps.template vertical<0>(k, pixel), k, c.weights);
  if constexpr (kSize == 7) {
    BW_UNROLL
    for (int k = 0; k < taps.kColumns; ++k) add<Step, kSize>(acc, taps.template vertical<4>(k, pixel), k, c.weights + kSize);
  }
  if constexpr (kSize == 5) {  // the fifth row, four columns and one
    const auto fifth = [&](int column) BW_INLINE_LAMBDA { return taps.template tap<4>(column, pixel); };
    const __m256i none = _mm256_setzero_si256();
    BW_UNROLL
    for (int p = 0; p < kPixels; ++p) {
      Quarters one[1] = {acc[p]};
      add<Step, 1>(one, interleave(fifth(p), fifth(p + 1), fifth(p + 2), fifth(p + 3)), 0, c.weights + 5);
      add<Step, 1>(one, interleave(fifth(p + 4), none, none, none), 0, c.weights + 6);
      acc[p] = one[0];
    }
  }
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

/// Codes of the pixels from `first` on, as many as come in groups of kPixels; returns the first that is left.
template <class Step, int kSize, int kPixels>
BW_NOIPA int64_t run_codes(const HalfConstants<Step>& c, const PackedCodesF32& packed, const DepthwiseLine& line,
                           const LineOutput& out, int64_t step, int64_t first) {
  const Taps<kSize, kPixels> taps(line, step, out.column);
  const PackedCodesF32 codes = packed;
  for (; first + kPixels <= line.count || (kPixels == 1 && first < line.count); first += kPixels * out.together) {
    Quarters acc[kPixels];
    sum<Step, kSize, kPixels>(taps, c, first * step, acc);
    BW_UNROLL
    for (int p = 0; p < kPixels; ++p) {
      __m256i v[4];
      BW_UNROLL
      for (int q = 0; q < 4; ++q) v[q] = codes.round(acc[p].q[q], c.m32[q]);
      out.codes(first + p, codes.in_lane_order(v[0], v[1], v[2], v[3]));
    }
  }
  return first;
}

template <class Step, int kSize>
BW_NOIPA void run_sums(const HalfConstants<Step>& c, const DepthwiseLine& line, const LineOutput& out, int64_t step) {
  const Taps<kSize, 1> taps(line, step, out.column);
  for (int64_t pixel = 0; pixel < line.count; pixel += out.together) {
    Quarters acc[1];
    sum<Step, kSize, 1>(taps, c, pixel * step, acc);
    out.sums(pixel, acc[0].q[0], acc[0].q[1], acc[0].q[2], acc[0].q[3]);
  }
}

template <class Step, int kSize>
void run_half(const LineConstants<Step>& c, const DepthwiseLine& line, const LineOutput& out, int64_t step) {
  const HalfConstants<Step>& half = c.half[out.column / 32];
  if (!plain_codes(out.d)) return run_sums<Step, kSize>(half, line, out, step);
  int64_t pixel = 0;
  if constexpr (Step::kPixels > 1)
    if (out.together == 1 && line.stride == 1 && line.dilation == 1)
      pixel = run_codes<Step, kSize, Step::kPixels>(half, c.codes, line, out, step, 0);
  run_codes<Step, kSize, 1>(half, c.codes, line, out, step, pixel);
}

template <class Step>
void run_line(const DotArgs& d, const void* constants, const DepthwiseLine& line) noexcept {
  const auto& c = *static_cast<const LineConstants<Step>*>(constants);
  const int64_t step = column_bytes(d.width);
  for (int32_t column = 0; column < d.columns; column += 32) {
    const LineOutput out{d, line.count, step == 16 ? 2 : 1, column, d.columns - column};
    if (line.size == 3)
      run_half<Step, 3>(c, line, out, step);
    else if (line.size == 5)
      run_half<Step, 5>(c, line, out, step);
    else
      run_half<Step, 7>(c, line, out, step);
  }
}

void copy_line(uint8_t* to, int64_t to_step, const uint8_t* src, int64_t src_step, int64_t channels, int64_t count) noexcept {
  copy_columns(to, to_step, src, src_step, channels, count);
}

}  // namespace
}  // namespace bitwright
