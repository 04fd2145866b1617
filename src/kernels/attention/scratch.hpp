// What a call of an attention kernel keeps: keys transposed, values, and the scores of a block of rows.
#pragma once

#include <cstdint>

#include "kernels/attributes.hpp"

namespace bitwright {
namespace {

struct AttentionScratch {
  static constexpr int64_t kRows = 6;  // of a block: 6 x 4 vectors of sums, 4 of keys or values and one broadcast fit 32 registers
  int64_t keys, depth, width, scores;  // padded to 16 where they are the last axis
  BW_INLINE AttentionScratch(int64_t key_count, int64_t depth_count, int64_t width_count)
      : keys(key_count),
        depth(depth_count),
        width((width_count + 15) / 16 * 16),
        scores((key_count + 15) / 16 * 16) {}
  BW_INLINE int64_t floats() const { return depth * scores + keys * width + kRows * scores; }
  BW_INLINE float* transposed_keys(float* scratch) const { return scratch; }  // [depth, scores]
  BW_INLINE float* values(float* scratch) const { return scratch + depth * scores; }  // [keys, width]
  BW_INLINE float* block(float* scratch) const { return values(scratch) + keys * width; }  // [kRows, scores]
};

}  // namespace
}  // namespace bitwright
