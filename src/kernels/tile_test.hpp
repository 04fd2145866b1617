// Whether a thread may use tile registers. Machines exist that announce them and then fault or, with a faulty compiler,
// multiply wrongly; so every thread computes something known with them first, and whoever fails uses vectors instead.
#pragma once

#include <cstdint>

namespace bitwright {

/// What ldtilecfg reads: all eight tiles of 16 rows by 64 bytes.
struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

/// Whether `correct` returns true in this thread: neither false nor by an illegal instruction, which it may execute. Says so
/// on stderr, once per process, if not.
bool tiles_pass(bool (*correct)() noexcept) noexcept;

}  // namespace bitwright
