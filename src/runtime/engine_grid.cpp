#include "runtime/engine_grid.hpp"

#include <algorithm>
#include <cmath>

namespace bitwright {

std::optional<EngineGrid> engine_grid(const Grid& grid) {
  if (!grid.format->is_integer || grid.layout.kind != Layout::tensor || !grid.table.empty()) return {};
  if (grid.format->bits > 16 || (!grid.zero.empty() && !is_integer(grid.zero.dtype()))) return {};
  EngineGrid engine;
  engine.scale = grid.scale.empty() ? 1.0f : static_cast<float>(value_as_double(grid.scale, 0));
  engine.zero = grid.zero.empty() ? 0 : static_cast<int32_t>(value_as_int(grid.zero, 0));
  engine.type = grid.format->storage;
  if (grid.format->bits <= 8) {
    engine.type = DType::u8;
    engine.shift = grid.format->is_signed ? 128 : 0;
  }
  engine.zero += engine.shift;
  engine.lo = grid.qmin + engine.shift;
  engine.hi = grid.qmax + engine.shift;
  if (engine.zero < engine.lo || engine.zero > engine.hi) return {};
  return engine;
}

int32_t EngineGrid::code(float x) const {
  const float v = x / scale;
  if (v != v) return zero;
  const float cut = std::min(std::max(v, static_cast<float>(lo - zero)), static_cast<float>(hi - zero));
  return static_cast<int32_t>(std::nearbyint(cut)) + zero;
}

}  // namespace bitwright
