// The dot kernel on tile registers (AMX): 8 tiles of 16 rows by 64 bytes, and one instruction that adds 16 x 16 sums of 64
// products. Written against a class of tile operations, so that tests run this very source on tiles made of memory:
//   begin(), end()          before and after the other operations
//   load<t>(p, stride)      tile t = 16 rows of 64 bytes
//   dot<c, a, b>()          tile c, 16 x 16 int32, += rows of tile a, u8, times columns of tile b, s8 [16][16][4]
//   store<t>(p, stride)
//   correct()               whether this thread may use them (tile_test.hpp)
// Blocks are 32 x 32 (2 x 2 tiles: 4 loads for 4 products) or, for the last 16 rows, 16 x 64. The tile of weights is read from
// the panel as it is. A product keeps its unit busy for 16 cycles, in which the core makes the previous block's codes.
// Everything here has internal linkage.
#pragma once

#include "kernels/dot/finish_tiles.hpp"
#include "kernels/dot/load_tiles.hpp"

namespace bitwright {
namespace {

// Tiles of a block of kM x kN: sums from 0 on, rows from 4 on, weights in what is left, in turn.
template <class T, int kM, int kN, int kColumn = 0>
BW_INLINE void multiply(const int8_t* b, int64_t stride) {
  if constexpr (kColumn < kN) {
    constexpr int kB = 4 + kM + kColumn % (4 - kM);
    T::template load<kB>(b + kTileBytes * kColumn, stride);
    T::template dot<kColumn, 4, kB>();
    if constexpr (kM == 2) T::template dot<kN + kColumn, 5, kB>();
    multiply<T, kM, kN, kColumn + 1>(b, stride);
  }
}

template <class T, int kM, int kN, int kTile = 0>
BW_INLINE void start_sums(const int32_t* offset) {
  if constexpr (kTile < kM * kN) {
    T::template load<kTile>(offset + 16 * (kTile % kN), 0);  // every row the same
    start_sums<T, kM, kN, kTile + 1>(offset);
  }
}

template <class T, int kM, int kN, int kTile = 0>
BW_INLINE void store_sums(int32_t* sums) {
  if constexpr (kTile < kM * kN) {
    T::template store<kTile>(sums + 16 * (kTile / kN * kTileRows * kN + kTile % kN), kTileBytes * kN);
    store_sums<T, kM, kN, kTile + 1>(sums);
  }
}

/// Rows from `row` on, columns [column, column + 16 * kN); meanwhile `before` is finished.
template <class T, int kM, int kN>
BW_NOIPA void block(const TilePanel& p, int64_t row, int32_t column, int32_t* sums, Unfinished& before) {
  const int64_t steps = p.d.segments * p.chunks, share = (before.end - before.row + 2 * steps - 1) / (2 * steps) * 2;
  alignas(64) uint8_t staged[kM][kTileRows * kTileBytes];
  start_sums<T, kM, kN>(p.d.offset + column);
  for (int64_t s = 0; s < p.d.segments; ++s) {
    const TileSource upper(p.d, s, row), lower(p.d, s, kM == 2 ? row + kTileRows : row);
    for (int64_t c = 0; c < p.chunks; ++c) {
      load_rows<T, 4>(upper, c * kTileBytes, p.bytes(c), staged[0]);
      if constexpr (kM == 2) load_rows<T, 5>(lower, c * kTileBytes, p.bytes(c), staged[1]);
      multiply<T, kM, kN>(p.weights(s, c) + 4 * column, p.stride);
      if (before.row < before.end) finish_rows(before, share);
    }
  }
  store_sums<T, kM, kN>(sums);
}

/// One block after the other, each with the codes of the one before.
template <class T>
class Blocks {
 public:
  explicit Blocks(const DotArgs& d) : panel_(d) {}

  template <int kM, int kN>
  void run(int64_t row, int32_t column) {
    const DotArgs& d = panel_.d;
    block<T, kM, kN>(panel_, row, column, sums_[turn_], before_);
    finish_rows(before_, before_.end - before_.row);
    const int64_t end = row + kM * kTileRows;
    before_ = {dot_columns(d, column, 16 * kN), sums_[turn_], row, row, end < d.rows ? end : d.rows, kN};
    turn_ ^= 1;
  }
  void finish() { finish_rows(before_, before_.end - before_.row); }

  void two_tiles_of_rows(int64_t row) {
    int32_t column = 0;
    for (; column + 32 <= panel_.d.width; column += 32) run<2, 2>(row, column);
    if (column < panel_.d.width) run<2, 1>(row, column);
  }
  void one_tile_of_rows(int64_t row) {
    switch (panel_.d.width) {
      case 64: return run<1, 4>(row, 0);
      case 48: return run<1, 3>(row, 0);
      case 32: return run<1, 2>(row, 0);
      default: return run<1, 1>(row, 0);
    }
  }

 private:
  TilePanel panel_;
  Unfinished before_{};
  alignas(64) int32_t sums_[2][4 * kTileRows * 16];
  int turn_ = 0;
};

/// A tile takes 16 rows' time for any number of rows, which the vectors below need for 2.
constexpr int64_t kFewRows = 2;

template <class T>
void multiply_panel(const DotArgs& d) {
  T::begin();
  Blocks<T> blocks(d);
  int64_t row = 0;
  for (; row + kTileRows + kFewRows < d.rows; row += 2 * kTileRows) blocks.two_tiles_of_rows(row);
  if (row + kFewRows < d.rows) blocks.one_tile_of_rows(row), row += kTileRows;
  blocks.finish();
  T::end();
  if (row < d.rows) dot_u8s8_6x64_avx512(dot_rows(d, row));
}

/// A product with every tile, small and whole blocks, rows from memory and staged ones, against the plain loop.
template <class T>
bool known_product() noexcept {
  constexpr int64_t kRows = 49, kGroups = kTileGroups + 3, kWidth = 64, kK = 4 * kGroups - 1;
  alignas(64) int8_t weights[kGroups * 4 * kWidth];
  uint8_t codes[kRows * kK];
  const uint8_t* rows[kRows];
  int32_t offset[kWidth], got[kRows][kWidth], wanted[kRows][kWidth];
  uint32_t noise = 1;
  const auto next = [&] { return (noise = noise * 1664525 + 1013904223) >> 24; };
  for (int8_t& w : weights) w = static_cast<int8_t>(next() - 128);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(next());
  for (int32_t& o : offset) o = static_cast<int32_t>(next() << 20);
  for (int64_t r = 0; r < kRows; ++r) rows[r] = codes + (r < 32 ? r : kRows + 31 - r) * kK;
  DotArgs d{};
  d.a = rows, d.rows = kRows, d.segments = 1, d.k4 = kK / 4, d.tail = kK % 4;
  d.b = weights, d.width = d.columns = kWidth, d.offset = d.sum = offset, d.form = DotForm::i32, d.dst_stride = kWidth;
  d.dst = got;
  multiply_panel<T>(d);
  d.dst = wanted;
  dot_u8s8_ref(d);
  return __builtin_memcmp(got, wanted, sizeof got) == 0;
}

/// Half a tile of K at least, without which weights of the next segment but one would be read; and enough products that
/// the sums' way through memory is worth it.
bool suits_tiles(const DotArgs& d) {
  return d.rows > kFewRows && d.k4 >= kTileGroups / 2 && d.segments * d.k4 >= 2 * kTileGroups;
}

template <class T>
void dot_on_tiles(const DotArgs& d) {
  if (suits_tiles(d) && T::correct())
    multiply_panel<T>(d);
  else
    dot_u8s8_6x64_avx512(d);
}

}  // namespace
}  // namespace bitwright
