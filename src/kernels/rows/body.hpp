// The kernels of rows.hpp for one instruction set: rows_<isa>.cpp includes this with BW_ROWS_NAME and BW_LANES.
#pragma once

#include "kernels/rows/functions.hpp"
#include "kernels/rows/rows.hpp"

namespace bitwright {
namespace {

struct Sum {
  BW_INLINE F operator()(F x, F y) const { return x + y; }
};

/// f of every element of the rows, and of `add` where f takes two.
template <class Function>
BW_INLINE void map_row(const Function& f, const float* src, const float* add, float* dst, int64_t length, Range& range) {
  const auto value = [&](F x, F y) BW_INLINE_LAMBDA {
    if constexpr (__is_same(Function, Sum)) return f(x, y);
    else return f(x);
  };
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) {
    const F y = value(load(src + i), add ? load(add + i) : splat(0.0f));
    range.see(y);
    store(dst + i, y);
  }
  if (i == length) return;
  store(dst + i, value(load(src + i, length - i, 0), add ? load(add + i, length - i, 0) : splat(0.0f)), length - i);
  range.see(load(dst + i, length - i, 0));
}

template <class Function>
BW_INLINE void map_rows(const Function& f, const RowsArgs& args, int64_t row0, int64_t row1) {
  Range range;
  const bool one_piece = args.stride == 0 || args.stride == args.length;
  const int64_t rows = one_piece ? 1 : row1 - row0, step = one_piece ? 0 : args.stride;
  const int64_t length = one_piece ? (row1 - row0) * args.length : args.length, first = row0 * (one_piece ? args.length : args.stride);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = first + r * step;
    map_row(f, args.src + at, args.add ? args.add + at : nullptr, args.dst + at, length, range);
  }
  if (args.range) range.merge_into(args.range);
}

BW_INLINE void softmax_row(const float* src, float* dst, int64_t length) {
  const F factor = splat(1.0f / exponentials_of_row(src, dst, length, most_of_row(src, length)));
  map([factor](F x) BW_INLINE_LAMBDA { return x * factor; }, dst, dst, length);
}

template <class Norm>
BW_INLINE void normalize_rows(const Norm& norm, const RowsArgs& args, int64_t row0, int64_t row1) {
  const int64_t stride = args.stride ? args.stride : args.length;
  Range range, unused;
  for (int64_t at = row0 * stride; at < row1 * stride; at += stride) {
    const float* src = args.src + at;
    if (args.add) map_row(Sum(), src, args.add + at, args.dst + at, args.length, unused), src = args.dst + at;
    norm(src, args.dst + at, args.length, range);
  }
  if (args.range) range.merge_into(args.range);
}

}  // namespace

void BW_ROWS_NAME(softmax)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  const int64_t stride = args.stride ? args.stride : args.length;
  for (int64_t r = row0; r < row1; ++r) softmax_row(args.src + r * stride, args.dst + r * stride, args.length);
}
void BW_ROWS_NAME(layer_norm)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  normalize_rows(LayerNorm{args.scale, args.bias, args.epsilon}, args, row0, row1);
}
void BW_ROWS_NAME(rms_norm)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  normalize_rows(RmsNorm{args.scale, args.epsilon}, args, row0, row1);
}
void BW_ROWS_NAME(gelu)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Gelu(), args, row0, row1); }
void BW_ROWS_NAME(sigmoid)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Sigmoid(), args, row0, row1); }
void BW_ROWS_NAME(swish)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Swish(), args, row0, row1); }
void BW_ROWS_NAME(tanh)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Tanh(), args, row0, row1); }
void BW_ROWS_NAME(add)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Sum(), args, row0, row1); }

}  // namespace bitwright
