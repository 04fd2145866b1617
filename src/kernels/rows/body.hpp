// The kernels of rows.hpp for one instruction set: rows_<isa>.cpp includes this with BW_ROWS_NAME and BW_LANES.
#pragma once

#include "kernels/rows/functions.hpp"
#include "kernels/rows/rows.hpp"

namespace bitwright {
namespace {

template <class Function>
BW_INLINE void map_rows(const Function& f, const RowsArgs& args, int64_t row0, int64_t row1) {
  map(f, args.src + row0 * args.length, args.dst + row0 * args.length, (row1 - row0) * args.length);
}

BW_INLINE void softmax_row(const float* src, float* dst, int64_t length) {
  const F factor = splat(1.0f / exponentials_of_row(src, dst, length, most_of_row(src, length)));
  map([factor](F x) BW_INLINE_LAMBDA { return x * factor; }, dst, dst, length);
}

}  // namespace

void BW_ROWS_NAME(softmax)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  for (int64_t r = row0; r < row1; ++r) softmax_row(args.src + r * args.length, args.dst + r * args.length, args.length);
}
void BW_ROWS_NAME(layer_norm)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  const LayerNorm norm{args.scale, args.bias, args.epsilon};
  for (int64_t r = row0; r < row1; ++r) norm(args.src + r * args.length, args.dst + r * args.length, args.length);
}
void BW_ROWS_NAME(gelu)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Gelu(), args, row0, row1); }
void BW_ROWS_NAME(sigmoid)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Sigmoid(), args, row0, row1); }
void BW_ROWS_NAME(swish)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map_rows(Swish(), args, row0, row1); }

}  // namespace bitwright
