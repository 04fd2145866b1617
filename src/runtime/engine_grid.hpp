// Grids as integer kernels take them: one scale and one zero point for a whole tensor, 8-bit codes always unsigned. Signed models
// are re-coded once, when they are compiled, so that no kernel has a signed twin.
#pragma once

#include <optional>

#include "quant/grid.hpp"

namespace bitwright {

/// A grid as the engine holds it: 8-bit codes are always u8 (signed ones are shifted by 128, zero point and limits with
/// them), wider ones keep their type.
struct EngineGrid {
  DType type = DType::u8;
  float scale = 1;
  int32_t zero = 0, lo = 0, hi = 255;
  int32_t shift = 0;  // engine code = code + shift

  bool operator==(const EngineGrid&) const = default;
  /// The code of a float: clamp(rne(x / scale) + zero).
  int32_t code(float x) const;
};
/// Nothing for grids that integer kernels do not know: per channel, blocks, codebooks, float formats.
std::optional<EngineGrid> engine_grid(const Grid& grid);

}  // namespace bitwright
