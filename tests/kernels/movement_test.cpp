#include "kernels/movement/movement.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "support.hpp"

namespace bitwright {
namespace {

/// Runs every kernel of the form on the arguments and compares the whole destination, margins included. `src` and `dst` of the
/// arguments are places within: the source ends where its page ends.
void compare(MoveForm form, MoveArgs args, const Exact<uint8_t>& src, int64_t dst_bytes) {
  args.src = src.data();
  Guarded wanted(dst_bytes, DType::u8);
  args.dst = static_cast<uint8_t*>(wanted.data());
  select_move(form, Isa::ref).kernel(args);
  for (const MoveRow& row : move_kernels()) {
    if (row.form != form || !machine_has(row.isa)) continue;
    Guarded got(dst_bytes, DType::u8);
    args.dst = static_cast<uint8_t*>(got.data());
    row.kernel(args);
    EXPECT_EQ(got.bytes(), wanted.bytes()) << row.name << ": " << args.rows << " rows of " << args.cols << ", " << args.size
                                           << " bytes each, to rows of " << args.dst_row;
    EXPECT_TRUE(got.margins_intact()) << row.name;
  }
}

TEST(Movement, KernelsCopyRowsAsTheReference) {
  Random random(seed());
  for (const int64_t rows : {0, 1, 3, 17})
    for (const int64_t cols : {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 130})
      for (const bool places : {false, true}) {
        const int64_t src_row = cols + random.in(0, 5), dst_row = cols + random.in(0, 5);
        std::vector<int64_t> at;
        for (int64_t r = 0; r < rows; ++r) at.push_back(random.in(0, rows - 1) * src_row);
        compare(MoveForm::copy,
                {.rows = rows, .cols = cols, .src_row = src_row, .dst_row = dst_row, .places = places ? at.data() : nullptr},
                random.bytes(rows == 0 ? 0 : (rows - 1) * src_row + cols), rows * dst_row);
      }
}

TEST(Movement, KernelsPickBytesAsTheReference) {
  Random random(seed());
  for (const int64_t rows : {1, 2, 19})
    for (const int64_t cols : {1, 5, 15, 16, 17, 24, 48, 64, 65, 100, 129})
      for (const int64_t window : {1, 16, 17, 32, 47, 64, 65, 96, 128, 200, 300}) {
        const int64_t src_row = window + random.in(0, 5), dst_row = cols + random.in(0, 5);
        std::vector<int32_t> pick;
        for (int64_t i = 0; i < cols; ++i) pick.push_back(static_cast<int32_t>(random.in(0, window - 1)));
        if (random.in(0, 1))
          for (int64_t i = 0; i < cols; ++i) pick[static_cast<size_t>(i)] = static_cast<int32_t>(2 * i % window);
        const int64_t used = *std::max_element(pick.begin(), pick.end()) + 1;
        compare(MoveForm::pick, {.rows = rows, .cols = cols, .src_row = src_row, .dst_row = dst_row, .pick = pick.data()},
                random.bytes((rows - 1) * src_row + used), rows * dst_row);
      }
}

TEST(Movement, KernelsTransposeAsTheReference) {
  Random random(seed());
  for (const int64_t size : {1, 2, 4, 8})
    for (const int64_t rows : {1, 3, 15, 16, 17, 64, 100})
      for (const int64_t cols : {1, 2, 3, 4, 5, 8, 16, 17, 24, 40})
        for (const int64_t gap : {0, 3}) {
          const int64_t src_col = (rows + gap) * size, dst_row = (cols + gap) * size;
          compare(MoveForm::transpose,
                  {.rows = rows, .cols = cols, .dst_row = dst_row, .src_col = src_col, .size = size},
                  random.bytes((cols - 1) * src_col + rows * size), rows * dst_row);
        }
}

/// The loops one by one.
void walk(std::span<const MoveLoop> loops, int64_t size, const uint8_t* src, uint8_t* dst) {
  if (loops.empty()) return void(std::copy(src, src + size, dst));
  const MoveLoop& loop = loops[0];
  for (int64_t i = 0; i < loop.extent; ++i)
    walk(loops.subspan(1), size, src + (loop.places.empty() ? i * loop.src : loop.places[static_cast<size_t>(i)]) * size,
         dst + i * loop.dst * size);
}

/// Up to four loops over a source that has its own in another order, some with gaps, some steps repeated or reversed.
std::vector<MoveLoop> random_loops(Random& random, int64_t& src_elements, int64_t& dst_elements, int64_t& first) {
  std::vector<MoveLoop> loops(static_cast<size_t>(random.in(0, 4)));
  for (MoveLoop& loop : loops) loop.extent = random.in(0, 3) ? random.in(1, 7) : random.in(1, 70);
  dst_elements = src_elements = 1;
  first = 0;
  for (size_t l = loops.size(); l-- > 0;) {
    loops[l].dst = dst_elements;
    dst_elements *= loops[l].extent + (random.in(0, 5) ? 0 : 2);
  }
  std::vector<size_t> order(loops.size());
  std::iota(order.begin(), order.end(), 0);
  if (random.in(0, 1)) std::reverse(order.begin(), order.end());
  if (random.in(0, 1) && order.size() > 1) std::swap(order[0], order[1]);
  for (const size_t l : order) {
    MoveLoop& loop = loops[l];
    const int64_t kind = random.in(0, 9), step = src_elements * (kind == 0 ? 2 : 1);
    if (kind == 1) {
      for (int64_t i = 0; i < loop.extent; ++i) loop.places.push_back(random.in(0, loop.extent - 1) * step);
    } else if (kind == 2) {
      loop.src = -step, first += (loop.extent - 1) * step;
    } else {
      loop.src = kind == 3 ? 0 : step;
    }
    src_elements = step * loop.extent;
  }
  return loops;
}

TEST(Movement, AnyNestOfLoopsInAnyPieces) {
  Random random(seed());
  for (int round = 0; round < 2000; ++round) {
    const int64_t size = int64_t{1} << random.in(0, 3);
    int64_t src_elements = 0, dst_elements = 0, first = 0;
    const auto loops = random_loops(random, src_elements, dst_elements, first);
    if (src_elements * size > 1 << 20 || dst_elements * size > 1 << 20) continue;
    const Exact<uint8_t> src = random.bytes(src_elements * size);
    Guarded wanted(dst_elements * size, DType::u8);
    walk(loops, size, src.data() + first * size, static_cast<uint8_t*>(wanted.data()));
    for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vbmi}) {
      Guarded got(dst_elements * size, DType::u8);
      const Movement movement(loops, size, isa);
      const int64_t middle = random.in(0, movement.rows());
      movement.run(src.data() + first * size, got.data(), middle, movement.rows());
      movement.run(src.data() + first * size, got.data(), 0, middle);
      ASSERT_EQ(got.bytes(), wanted.bytes()) << movement.name() << ", " << loops.size() << " loops, " << size << " bytes, round " << round;
    }
  }
}

}  // namespace
}  // namespace bitwright
