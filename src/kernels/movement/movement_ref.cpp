#include <cstring>

#include "kernels/movement/movement.hpp"

namespace bitwright {
namespace {

const uint8_t* row_of(const MoveArgs& args, int64_t r) { return args.src + (args.places ? args.places[r] : r * args.src_row); }

template <class T>
void transpose(const MoveArgs& args) {
  for (int64_t r = 0; r < args.rows; ++r)
    for (int64_t i = 0; i < args.cols; ++i)
      std::memcpy(args.dst + r * args.dst_row + i * static_cast<int64_t>(sizeof(T)),
                  args.src + i * args.src_col + r * static_cast<int64_t>(sizeof(T)), sizeof(T));
}

}  // namespace

void move_copy_ref(const MoveArgs& args) noexcept {
  for (int64_t r = 0; r < args.rows; ++r)
    std::memcpy(args.dst + r * args.dst_row, row_of(args, r), static_cast<size_t>(args.cols));
}

void move_pick_ref(const MoveArgs& args) noexcept {
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r);
    uint8_t* to = args.dst + r * args.dst_row;
    for (int64_t i = 0; i < args.cols; ++i) to[i] = from[args.pick[i]];
  }
}

void move_transpose_ref(const MoveArgs& args) noexcept {
  switch (args.size) {
    case 1: return transpose<uint8_t>(args);
    case 2: return transpose<uint16_t>(args);
    case 4: return transpose<uint32_t>(args);
    default: return transpose<uint64_t>(args);
  }
}

}  // namespace bitwright
