#include "runtime/cut.hpp"

#include <algorithm>

namespace bitwright {
namespace {

constexpr int64_t kColumns = 64;
constexpr int64_t kPiecesOfPart = 4;  // the end of a panel, whole panels in two pieces, the beginning of a panel

int64_t nearest(int64_t value, int64_t unit, int64_t most) { return std::min(most, (value + unit / 2) / unit * unit); }

}  // namespace

Cut::Cut(const ProductSize& size, int64_t threads) : rows_(size.rows), panels_(size.panels), unit_(size.unit), last_(size.last) {
  constexpr int64_t kLeastWork = 1 << 19;  // some microseconds: less is not worth another thread
  const int64_t wanted = threads == 1 ? 1 : std::clamp<int64_t>(size.work / kLeastWork, 1, 2 * threads);
  parts_ = std::min(wanted, threads);
  by_rows_ = parts_ == 1 || panels_ <= 1 || (size.weight_bytes <= size.source_bytes && rows_ >= 2 * unit_ * parts_);
  pieces_ = parts_ == 1 ? 1 : by_rows_ ? wanted : kPiecesOfPart * parts_;
}

Piece Cut::operator[](int64_t i) const {
  if (by_rows_) return {row_at(i), row_at(i + 1), 0, panels_};
  return of_panels(i / kPiecesOfPart, i % kPiecesOfPart);
}

int64_t Cut::row_at(int64_t piece) const { return piece == pieces_ ? rows_ : nearest(piece * rows_ / pieces_, unit_, rows_); }

/// Where a part begins, counted in columns times rows panel by panel. Few rows are not cut.
Cut::Place Cut::begin_of(int64_t part) const {
  if (part == parts_) return {panels_, 0};
  const int64_t rows = std::max<int64_t>(1, rows_), whole = kColumns * rows, at = part * (whole * (panels_ - 1) + last_ * rows) / parts_;
  const int64_t panel = std::min(at / whole, panels_ - 1), width = panel == panels_ - 1 ? last_ : kColumns;
  const int64_t row = nearest((at - panel * whole) / width, rows < 4 * unit_ ? rows : unit_, rows);
  return row == rows ? Place{panel + 1, 0} : Place{panel, row};
}

Piece Cut::of_panels(int64_t part, int64_t which) const {
  const Place begin = begin_of(part), end = begin_of(part + 1);
  const bool within = begin.panel == end.panel;
  const int64_t first = begin.row > 0 ? begin.panel + 1 : begin.panel, half = (first + end.panel) / 2;
  switch (which) {
    case 0: return begin.row > 0 ? Piece{begin.row, within ? end.row : rows_, begin.panel, begin.panel + 1} : Piece{};
    case 1: return {0, rows_, first, half};
    case 2: return {0, rows_, half, end.panel};
    default: return within && begin.row > 0 ? Piece{} : Piece{0, end.row, end.panel, end.panel + 1};
  }
}

}  // namespace bitwright
