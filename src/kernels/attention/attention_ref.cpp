#define BW_LANES 4
#include "kernels/attention/attention.hpp"
#include "kernels/rows/functions.hpp"

namespace bitwright {
namespace {

float dot(const float* a, const float* b, int64_t b_step, int64_t count) {
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum = __builtin_fmaf(a[i], b[i * b_step], sum);
  return sum;
}

void scores(const AttentionArgs& args, int64_t row, float* to) {
  for (int64_t j = 0; j < args.keys; ++j) {
    const float s = dot(args.q + row * args.q_row, args.k + j * args.k_row, args.k_column, args.depth);
    to[j] = args.mask ? __builtin_fmaf(s, args.scale, args.mask[row * args.mask_row + j]) : s * args.scale;
  }
}

}  // namespace

void attention_f32_ref(const AttentionArgs& args, int64_t row0, int64_t row1) noexcept {
  float* p = args.scratch;
  for (int64_t row = row0; row < row1; ++row) {
    scores(args, row, p);
    const float factor = 1.0f / exponentials_of_row(p, p, args.keys, most_of_row(p, args.keys));
    for (int64_t c = 0; c < args.width; ++c) {
      const float y = dot(p, args.v + c, args.v_row, args.keys) * factor;
      args.dst[row * args.dst_row + c] = y;
      if (args.range && y < args.range[0]) args.range[0] = y;
      if (args.range && y > args.range[1]) args.range[1] = y;
    }
  }
}

}  // namespace bitwright
