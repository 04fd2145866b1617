// Attention of one head, in float32: softmax(scale q k^T + mask) v in one pass over blocks of query rows, so that scores live in
// the cache only and queries, keys and values are read where the projections left them ([tokens, heads * depth] without
// transposes).
//
// The definition, which the plain loops of attention_ref.cpp compute and every instruction set equals bit for bit, with any cut
// of the rows; fma is one rounding:
//   s[i][j] = fma(q[i][d], k[j][d], s) for d rising from 0;   t = mask ? fma(s, scale, mask[i][j]) : s * scale
//   p[i][j] = exp(t - max over j of t) as rows' softmax;      sum = 32 partial sums (j % 32), then pairwise
//   y[i][c] = (fma(p[i][j], v[j][c], y) for j rising from 0) * (1 / sum)
// Against the operators one by one this differs by the rounding of float32 only: the order of the sums over d and j, a product
// with the scale's reciprocal where there was a division, and the division by the sum after the last product.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/isa.hpp"

namespace bitwright {

/// Strides are in elements. The depth of queries, the columns of mask, v and dst are contiguous.
struct AttentionArgs {
  int64_t queries = 0, keys = 0, depth = 0, width = 0;  // q: [queries, depth], k: [keys, depth], v: [keys, width]
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const float* mask = nullptr;  // [queries, keys] or null
  float* dst = nullptr;         // [queries, width]
  int64_t q_row = 0, k_row = 0, k_column = 1, v_row = 0, mask_row = 0, dst_row = 0;
  float scale = 1;
  float* range = nullptr;    // least and greatest result and 0, NaN left out, merged into range[0] and range[1]; or null
  float* scratch = nullptr;  // attention_scratch_bytes of the caller's own, 64-byte aligned
};

int64_t attention_scratch_bytes(int64_t keys, int64_t depth, int64_t width);

/// Query rows [row0, row1). Keys and values are packed anew by each call.
using AttentionKernel = void (*)(const AttentionArgs& args, int64_t row0, int64_t row1) noexcept;

struct AttentionRow {
  Isa isa;
  const char* name;
  AttentionKernel kernel;
};
const std::vector<AttentionRow>& attention_kernels();
/// The best that may run; there is always one.
const AttentionRow& select_attention(Isa cap = isa_cap());

#define BW_ATTENTION(isa) void attention_f32_##isa(const AttentionArgs& args, int64_t row0, int64_t row1) noexcept;
#include "kernels/attention/kernels.inc"
#undef BW_ATTENTION

}  // namespace bitwright
