// Attention for one vector instruction set: attention_<isa>.cpp includes this with BW_LANES and BW_ATTENTION_NAME.
#pragma once

#include "kernels/attention/attention.hpp"
#include "kernels/attention/scratch.hpp"
#include "kernels/rows/functions.hpp"

namespace bitwright {
namespace {

constexpr int kRows = AttentionScratch::kRows, kWidest = kLanes == 16 ? 4 : 2;

/// sums[r][c] = sum of a[r][i] * b[i][c] over i, in order: a block of rows times kVectors vectors of columns.
template <int kVectors>
BW_INLINE void multiply(const float* const (&a)[kRows], const float* b, int64_t b_row, int64_t count, F (&sums)[kRows][kVectors]) {
  BW_UNROLL
  for (int r = 0; r < kRows; ++r) {
    BW_UNROLL
    for (int c = 0; c < kVectors; ++c) sums[r][c] = splat(0.0f);
  }
  for (int64_t i = 0; i < count; ++i, b += b_row) {
    F w[kVectors];
    BW_UNROLL
    for (int c = 0; c < kVectors; ++c) w[c] = load(b + c * kLanes);
    BW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const F x = splat(a[r][i]);
      BW_UNROLL
      for (int c = 0; c < kVectors; ++c) sums[r][c] = fma(x, w[c], sums[r][c]);
    }
  }
}

/// A block of query rows; those beyond the last one are the last one again, computed and not stored.
struct Block {
  const AttentionArgs& args;
  const AttentionScratch& size;
  int64_t row, rows;
  float* p;  // [kRows, size.scores]
  Range range{};

  // What the loops below need is taken once: a store of a vector might change any memory, for all that the compiler knows.
  template <int kVectors>
  BW_NOIPA void scores(int64_t column) const {
    const float *q[kRows], *mask[kRows];
    BW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = row + (r < rows ? r : rows - 1);
      q[r] = args.q + at * args.q_row;
      mask[r] = args.mask ? args.mask + at * args.mask_row + column : nullptr;
    }
    F sums[kRows][kVectors];
    multiply<kVectors>(q, size.transposed_keys(args.scratch) + column, size.scores, args.depth, sums);
    const F scale = splat(args.scale);
    const int64_t left = args.keys - column, stride = size.scores;
    float* to = p + column;
    if (!mask[0]) {
      BW_UNROLL
      for (int r = 0; r < kRows; ++r) {
        BW_UNROLL
        for (int c = 0; c < kVectors; ++c) store(to + r * stride + c * kLanes, sums[r][c] * scale);
      }
      return;
    }
    BW_UNROLL
    for (int c = 0; c < kVectors; ++c) {
      BW_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const F add = load(mask[r] + c * kLanes, left - c * kLanes, 0.0f);
        store(to + r * stride + c * kLanes, fma(sums[r][c], scale, add));
      }
    }
  }

  template <int kVectors>
  BW_NOIPA void context(int64_t column, const float (&factors)[kRows]) {
    const float* weights[kRows];
    BW_UNROLL
    for (int r = 0; r < kRows; ++r) weights[r] = p + r * size.scores;
    F sums[kRows][kVectors];
    multiply<kVectors>(weights, size.values(args.scratch) + column, size.width, args.keys, sums);
    const int64_t left = args.width - column, stride = args.dst_row, count = rows;
    float* to = args.dst + row * stride + column;
    Range seen = range;
    BW_UNROLL
    for (int r = 0; r < kRows; ++r) {
      if (r >= count) break;
      const F factor = splat(factors[r]);
      BW_UNROLL
      for (int c = 0; c < kVectors; ++c) {
        const F y = sums[r][c] * factor;
        seen.see(y);  // zeros behind the last column
        if (c * kLanes < left) store(to + r * stride + c * kLanes, y, left - c * kLanes);
      }
    }
    range = seen;
  }

  BW_INLINE void run() {
    int64_t column = 0;
    for (; column + kWidest * kLanes <= size.scores; column += kWidest * kLanes) scores<kWidest>(column);
    for (; column < size.scores; column += kLanes) scores<1>(column);
    float factors[kRows];
    for (int64_t r = 0; r < rows; ++r) {
      float* row_p = p + r * size.scores;
      factors[r] = 1.0f / exponentials_of_row(row_p, row_p, args.keys, most_of_row(row_p, args.keys));
    }
    for (int64_t r = rows; r < kRows; ++r) factors[r] = 0;
    column = 0;
    for (; column + kWidest * kLanes <= size.width; column += kWidest * kLanes) context<kWidest>(column, factors);
    for (; column + 2 * kLanes <= size.width; column += 2 * kLanes) context<2>(column, factors);
    for (; column < size.width; column += kLanes) context<1>(column, factors);
  }
};

/// 4 keys, 4 numbers of each, transposed.
BW_INLINE void transpose(const float* from, int64_t from_row, float* to, int64_t to_row) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_row), c = _mm_loadu_ps(from + 2 * from_row),
         d = _mm_loadu_ps(from + 3 * from_row);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a), _mm_storeu_ps(to + to_row, b), _mm_storeu_ps(to + 2 * to_row, c), _mm_storeu_ps(to + 3 * to_row, d);
}

/// Keys transposed, zeros behind the last one; values row by row, zeros behind the last column.
BW_NOIPA void pack(const AttentionArgs& args, const AttentionScratch& size) {
  float* k = size.transposed_keys(args.scratch);
  const int64_t depth4 = args.k_column == 1 ? args.depth / 4 * 4 : 0, keys4 = args.keys / 4 * 4;
  for (int64_t j = 0; j < keys4; j += 4)
    for (int64_t d = 0; d < depth4; d += 4) transpose(args.k + j * args.k_row + d, args.k_row, k + d * size.scores + j, size.scores);
  for (int64_t j = 0; j < args.keys; ++j)
    for (int64_t d = j < keys4 ? depth4 : 0; d < args.depth; ++d) k[d * size.scores + j] = args.k[j * args.k_row + d * args.k_column];
  for (int64_t d = 0; d < args.depth; ++d)
    for (int64_t j = args.keys; j < size.scores; ++j) k[d * size.scores + j] = 0;
  float* v = size.values(args.scratch);
  for (int64_t j = 0; j < args.keys; ++j)
    for (int64_t c = 0; c < size.width; c += kLanes) store(v + j * size.width + c, load(args.v + j * args.v_row + c, args.width - c, 0.0f));
}

}  // namespace

void BW_ATTENTION_NAME(const AttentionArgs& args, int64_t row0, int64_t row1) noexcept {
  const AttentionScratch size(args.keys, args.depth, args.width);
  pack(args, size);
  Block block{args, size, row0, kRows, size.block(args.scratch)};
  for (; block.row < row1; block.row += kRows) {
    block.rows = row1 - block.row < kRows ? row1 - block.row : kRows;
    block.run();
  }
  if (args.range) block.range.merge_into(args.range);
}

}  // namespace bitwright
