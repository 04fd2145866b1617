// Where the kernel on tiles (dot_tiles.hpp) takes its operands. Tiles are always full: what is missing in K is zeros in the
// rows' tile, staged in memory, and the weights behind are whatever follows in the panel. Rows are loaded from where they
// lie if they are a constant step apart, else staged too. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/dot/dot.hpp"

namespace bitwright {
namespace {

constexpr int64_t kTileRows = 16, kTileBytes = 64, kTileGroups = 16;

/// Where one tile of rows lies in a segment. Behind the last row comes the last row again.
class TileSource {
 public:
  TileSource(const DotArgs& d, int64_t segment, int64_t first) : row_(d.a + segment * d.a_step + first) {
    const int64_t rows = d.rows - first;
    if (rows < kTileRows) {
      for (int64_t r = 0; r < kTileRows; ++r) repeated_[r] = row_[r < rows ? r : rows - 1];
      row_ = repeated_;
      return;
    }
    const __m512i low = gap(1), high = gap(8), first_gap = _mm512_broadcastq_epi64(_mm512_castsi512_si128(low));
    constant_ = (_mm512_cmpeq_epi64_mask(low, first_gap) & _mm512_cmpeq_epi64_mask(high, first_gap)) == 0xff;
  }
  const uint8_t* row(int64_t r) const { return row_[r]; }
  int64_t step() const { return row_[1] - row_[0]; }
  bool constant() const { return constant_; }

 private:
  /// From rows r - 1 to 8 rows from r on.
  __m512i gap(int64_t r) const { return _mm512_sub_epi64(_mm512_loadu_si512(row_ + r), _mm512_loadu_si512(row_ + r - 1)); }

  const uint8_t* const* row_;
  const uint8_t* repeated_[kTileRows];
  bool constant_ = false;
};

/// Tile t = bytes [at, at + count) of each row, zeros behind them.
template <class T, int t>
BW_INLINE void load_rows(const TileSource& from, int64_t at, int64_t count, uint8_t* staged) {
  if (from.constant() && count == kTileBytes) {
    T::template load<t>(from.row(0) + at, from.step());
    return;
  }
  const __mmask64 mask = ~__mmask64{0} >> (kTileBytes - count);
  for (int64_t r = 0; r < kTileRows; ++r)
    _mm512_store_si512(staged + kTileBytes * r, _mm512_maskz_loadu_epi8(mask, from.row(r) + at));
  T::template load<t>(staged, kTileBytes);
}

/// A panel as tiles see it.
struct TilePanel {
  const DotArgs& d;
  int64_t groups, chunks;  // per segment
  int64_t stride;          // bytes from one group of weights to the next
  int64_t last;            // groups in the last chunk of a segment
  alignas(64) int8_t end[kTileGroups * 256];  // the last chunk of the panel, if it is not full: there is nothing to read behind it

  explicit TilePanel(const DotArgs& args)
      : d(args),
        groups(d.k4 + (d.tail > 0)),
        chunks((groups + kTileGroups - 1) / kTileGroups),
        stride(int64_t{d.width} * 4),
        last(groups - (chunks - 1) * kTileGroups) {
    if (last == kTileGroups) return;
    const int8_t* from = d.b + (d.segments * groups - last) * stride;
    for (int64_t i = 0; i < kTileGroups * stride; i += kTileBytes)
      _mm512_store_si512(end + i, i < last * stride ? _mm512_load_si512(from + i) : _mm512_setzero_si512());
  }
  const int8_t* weights(int64_t segment, int64_t chunk) const {
    if (segment + 1 == d.segments && chunk + 1 == chunks && last < kTileGroups) return end;
    return d.b + (segment * groups + chunk * kTileGroups) * stride;
  }
  int64_t bytes(int64_t chunk) const {
    const int64_t left = 4 * d.k4 + d.tail - chunk * kTileBytes;
    return left < kTileBytes ? left : kTileBytes;
  }
};

}  // namespace
}  // namespace bitwright
