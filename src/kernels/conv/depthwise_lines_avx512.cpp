// AVX512-VNNI. A vector holds 64 bytes: one column of 64 channels, two of 32 or four of 16, in 128-bit lanes. Unpacking the
// bytes of 4 taps gives 4 taps per 32-bit lane, in an order that the final packs undo; weights, offsets and multipliers are
// put in that order once per panel.
//
// Quarter q of a vector: the channels 4 q to 4 q + 3 of each 128-bit lane.
#include <immintrin.h>

#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/quarters_avx512.hpp"

namespace bitwright {
namespace {

struct Constants {
  int8_t weights[DepthwiseLine::kMostGroups][4][64];
  int32_t offset[4][16];
  float m32[4][16];
  PackedCodesF32 codes;
};
static_assert(sizeof(Constants) <= kDepthwiseConstantBytes);

void prepare(const DotArgs& d, void* memory) noexcept {
  auto& out = *static_cast<Constants*>(memory);
  out.codes = PackedCodesF32(d.requantize);
  prepare_quarters(d, column_bytes(d.width) / 16, out);
}

BW_INLINE __m512i load(const uint8_t* p) { return _mm512_loadu_si512(p); }

// The compiler may not read it from memory again.
BW_INLINE __m512i in_register(__m512i x) {
  asm("" : "+v"(x));
  return x;
}

/// Where the columns lie that pixel 0 sees at each kernel column.
template <int kSize>
struct Columns {
  const uint8_t* row[kSize];
  int64_t at[kSize];
  BW_INLINE Columns(const DepthwiseLine& line, int64_t step) {
    BW_UNROLL
    for (int k = 0; k < kSize; ++k) {
      row[k] = line.lines[k];
      at[k] = line.column(k, step);
    }
  }
  BW_INLINE Quarters vertical(int kx, int64_t pixel) const {
    const __m512i last = kSize > 3 ? load(row[kSize > 3 ? 3 : 0] + at[kx] + pixel) : _mm512_setzero_si512();
    return interleave(load(row[0] + at[kx] + pixel), load(row[1] + at[kx] + pixel), load(row[2] + at[kx] + pixel), last);
  }
  /// The rows from the fifth on, at 7.
  BW_INLINE Quarters second_vertical(int kx, int64_t pixel) const {
    const int64_t at_column = at[kx] + pixel;
    return interleave(load(row[kSize - 3] + at_column), load(row[kSize - 2] + at_column), load(row[kSize - 1] + at_column),
                      _mm512_setzero_si512());
  }
  /// The fifth row, four columns and one.
  BW_INLINE void add_fifth_row(Quarters& acc, const Constants& c, int64_t pixel) const {
    const uint8_t* p = row[kSize - 1] + pixel;
    add(acc, interleave(load(p + at[0]), load(p + at[1]), load(p + at[2]), load(p + at[kSize > 3 ? 3 : 0])), c.weights[5]);
    const __m512i none = _mm512_setzero_si512();
    add(acc, interleave(load(p + at[kSize - 1]), none, none, none), c.weights[6]);
  }
};

/// Stores a vector's columns to as many pixels.
class Stores {
 public:
  Stores(const DotArgs& d, int64_t count)
      : dst_(static_cast<uint8_t*>(d.dst)),
        stride_(d.dst_stride),
        count_(count),
        step_(column_bytes(d.width)),
        dense_(step_ == stride_ && d.columns == step_),
        mask_(d.columns >= 64 ? ~__mmask64{0} : (__mmask64{1} << d.columns) - 1) {}
  BW_INLINE void operator()(int64_t pixel, __m512i codes) const {
    uint8_t* dst = dst_ + pixel * stride_;
    if (dense_ && (count_ - pixel) * step_ >= 64) {
      _mm512_storeu_si512(dst, codes);
      return;
    }
    if (step_ == 64) {
      _mm512_mask_storeu_epi8(dst, mask_, codes);
      return;
    }
    for (int64_t byte = 0; byte < 64 && pixel < count_; byte += step_, ++pixel, dst += stride_)
      _mm512_mask_storeu_epi8(dst - byte, mask_ << byte, codes);
  }

 private:
  uint8_t* dst_;
  int64_t stride_, count_, step_;
  bool dense_;  // pixels follow each other without a gap
  __mmask64 mask_;
};

template <Ends kEnds>
BW_INLINE __m512i requantized(const Quarters& v, const Constants& c) {
  __m512i x[4];
  BW_UNROLL
  for (int q = 0; q < 4; ++q) x[q] = c.codes.round<kEnds>(v.q[q], c.m32[q]);
  return c.codes.in_lane_order<kEnds>(x[0], x[1], x[2], x[3]);
}

// What is not plain codes, from memory and in the channels' order.
BW_NOIPA void finish_pixels(const DotArgs& d, int64_t pixel, int64_t pixels, const Quarters& v) {
  alignas(64) int32_t acc[64];
  to_channels(v, acc);
  for (int64_t p = 0; p < pixels; ++p) finish_row(d, pixel + p, acc + p * column_bytes(d.width));
}

/// The weights of a kernel's columns: of 3x3 in registers, where a pixel's loads would otherwise take longer than its
/// products.
template <int kSize>
struct Weights {
  const Constants& c;
  explicit Weights(const Constants& constants) : c(constants) {}
  BW_INLINE void times(int k, const Quarters& x, Quarters& acc) const { add(acc, x, c.weights[k]); }
};
template <>
struct Weights<3> {
  Quarters column[3];
  BW_INLINE explicit Weights(const Constants& c) {
    BW_UNROLL
    for (int k = 0; k < 3; ++k) {
      BW_UNROLL
      for (int q = 0; q < 4; ++q) column[k].q[q] = in_register(_mm512_load_si512(c.weights[k][q]));
    }
  }
  BW_INLINE void times(int k, const Quarters& x, Quarters& acc) const {
    BW_UNROLL
    for (int q = 0; q < 4; ++q) acc.q[q] = _mm512_dpbusd_epi32(acc.q[q], x.q[q], column[k].q[q]);
  }
};

/// kCarry: a column's taps, interleaved for one pixel, are kept for the one `kCarry` kernel columns further (the stride);
/// kSize: none are.
template <int kSize, int kCarry, bool kFast, Ends kEnds = Ends::any>
BW_NOIPA void run(const DotArgs& d, const Constants& c, const DepthwiseLine& line) {
  const int64_t step = column_bytes(d.width), together = 64 / step;
  const Columns<kSize> columns(line, step);
  const Stores store(d, line.count);
  const Weights<kSize> weights(c);
  Quarters kept[kSize - kCarry + 1];
  BW_UNROLL
  for (int k = 0; k + kCarry < kSize; ++k) kept[k] = columns.vertical(k, 0);
  for (int64_t pixel = 0; pixel < line.count; pixel += together) {
    if (kSize == 5) BW_FORGET();  // constants stay in memory: registers are for columns
    Quarters acc;
    BW_UNROLL
    for (int q = 0; q < 4; ++q) acc.q[q] = _mm512_load_si512(c.offset[q]);
    BW_UNROLL
    for (int k = 0; k < kSize; ++k) {
      const Quarters x = k + kCarry < kSize ? kept[k] : columns.vertical(k, pixel * step);
      weights.times(k, x, acc);
      if (k >= kCarry) kept[k - kCarry] = x;
    }
    if (kSize == 5) columns.add_fifth_row(acc, c, pixel * step);
    if (kSize == 7) {
      BW_UNROLL
      for (int k = 0; k < kSize; ++k) add(acc, columns.second_vertical(k, pixel * step), c.weights[kSize + k]);
    }
    if (kFast) {
      store(pixel, requantized<kEnds>(acc, c));
    } else {
      BW_FORGET();
      const Quarters in_memory = acc;  // acc itself stayed in registers
      finish_pixels(d, pixel, together < line.count - pixel ? together : line.count - pixel, in_memory);
    }
  }
}

template <int kSize, int kCarry>
void run_form(const DotArgs& d, const Constants& c, const DepthwiseLine& line) {
  const Ends ends = ends_of(d.requantize);
  if (d.form != DotForm::u8 || d.requantize.step != RequantizeStep::f32 || d.zero)
    run<kSize, kSize, false>(d, c, line);
  else if (ends == Ends::plain)
    run<kSize, kCarry, true, Ends::plain>(d, c, line);
  else if (ends == Ends::bounded)
    run<kSize, kCarry, true, Ends::bounded>(d, c, line);
  else
    run<kSize, kCarry, true, Ends::any>(d, c, line);
}

template <int kSize>
void run_size(const DotArgs& d, const Constants& c, const DepthwiseLine& line) {
  // Kernel columns from one vector of pixels to the next; where a column is not seen again, it is interleaved anew.
  const int64_t carry = line.dilation == 1 ? line.stride * (64 / column_bytes(d.width)) : kSize;
  const bool same_phase = line.stride == 1 || column_bytes(d.width) == 64;
  if (carry == 1 && kSize < 7)  // for more the registers do not suffice
    run_form<kSize, kSize < 7 ? 1 : kSize>(d, c, line);
  else if (carry == 2 && same_phase && kSize == 3)
    run_form<kSize, kSize == 3 ? 2 : kSize>(d, c, line);
  else
    run_form<kSize, kSize>(d, c, line);
}

void line(const DotArgs& d, const void* constants, const DepthwiseLine& line) noexcept {
  const auto& c = *static_cast<const Constants*>(constants);
  if (line.size == 3)
    run_size<3>(d, c, line);
  else if (line.size == 5)
    run_size<5>(d, c, line);
  else
    run_size<7>(d, c, line);
}

void copy(uint8_t* to, int64_t to_step, const uint8_t* src, int64_t src_step, int64_t channels, int64_t count) noexcept {
  const __mmask64 mask = channels >= 64 ? ~__mmask64{0} : (__mmask64{1} << channels) - 1;
  if (channels == 64) {
    for (int64_t i = 0; i < count; ++i, to += to_step, src += src_step) _mm512_storeu_si512(to, load(src));
  } else {
    for (int64_t i = 0; i < count; ++i, to += to_step, src += src_step)
      _mm512_mask_storeu_epi8(to, mask, _mm512_maskz_loadu_epi8(mask, src));
  }
}

}  // namespace

const DepthwiseLineKernel depthwise_lines_u8s8_64_avx512{prepare, line, copy};

}  // namespace bitwright
