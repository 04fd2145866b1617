// Bytes from one place to another: what transposing, slicing, joining, padding, upsampling and shuffling have in common once it
// is known where each element lies. A movement is a nest of loops; it is compiled once to one of three forms, of which kernels do
// the two inner loops, and run in pieces by any number of threads:
//
//   copy       rows of adjacent bytes, each at a place of its own
//   pick       rows of bytes that are chosen from a window (a channel shuffle, every second channel, a reversed axis)
//   transpose  elements adjacent in the source along one loop, in the destination along another
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/attributes.hpp"
#include "kernels/isa.hpp"

namespace bitwright {

/// Plain data for a kernel; all strides and places in bytes.
///   copy       dst[r][i] = src[r][i], i < cols
///   pick       dst[r][i] = src[r][pick[i]], i < cols, pick[i] >= 0
///   transpose  element i of dst[r] = element r of the source's column i, i < cols; rows of the source are adjacent elements
/// Nothing else is read or written.
struct MoveArgs {
  const uint8_t* src = nullptr;
  uint8_t* dst = nullptr;
  int64_t rows = 0, cols = 0;  // cols: bytes; of transpose: elements
  int64_t src_row = 0, dst_row = 0;
  const int64_t* places = nullptr;  // copy, pick: where row r starts in src, instead of r * src_row
  const int32_t* pick = nullptr;
  int64_t src_col = 0;   // transpose
  int64_t size = 1;      // transpose: bytes of an element, 1, 2, 4 or 8
};

using MoveKernel = void (*)(const MoveArgs& args) noexcept;
enum class MoveForm : uint8_t { copy, pick, transpose };

/// A row of kernels.inc.
struct MoveRow {
  MoveForm form;
  Isa isa;
  const char* name;
  MoveKernel kernel;
};
const std::vector<MoveRow>& move_kernels();
/// The best that may run; there is always one.
const MoveRow& select_move(MoveForm form, Isa cap = isa_cap());

/// One loop: step i reads at i * src, or at places[i] where there are any, and writes at i * dst. In elements.
struct MoveLoop {
  int64_t extent = 1, src = 0, dst = 0;
  std::vector<int64_t> places;
};

/// A movement, compiled. Destinations of different steps differ, and no source is a destination.
class Movement {
 public:
  /// `loops` outermost first, every extent at least 1; elements of 1, 2, 4 or 8 bytes.
  Movement(std::vector<MoveLoop> loops, int64_t element_bytes, Isa isa);

  /// Units of work, each `row_bytes` of the destination.
  int64_t rows() const { return outer_ * args_.rows; }
  int64_t row_bytes() const { return args_.cols * args_.size; }
  const char* name() const { return row_->name; }
  /// Moves rows [begin, end). `src` and `dst` are where all loops stand at step 0.
  void run(const void* src, void* dst, int64_t begin, int64_t end) const noexcept;

 private:
  void choose_form(std::vector<MoveLoop>& loops);
  MoveLoop take_rows(std::vector<MoveLoop>& loops, size_t at);
  void set_copy(int64_t elements);
  void set_pick(const MoveLoop& inner);

  const MoveRow* row_ = nullptr;
  MoveArgs args_;                // of the two inner loops
  std::vector<MoveLoop> loops_;  // around them, in bytes
  std::vector<int64_t> places_;
  std::vector<int32_t> pick_;
  int64_t outer_ = 1;            // their steps together
  int64_t first_ = 0;            // added to src: picks count from the lowest byte
  Isa isa_;
};

#define BW_MOVE(form, isa) void move_##form##_##isa(const MoveArgs& args) noexcept;
#include "kernels/movement/kernels.inc"
#undef BW_MOVE

}  // namespace bitwright
