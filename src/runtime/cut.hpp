// How a product of codes is divided among threads.
#pragma once

#include <cstdint>

namespace bitwright {

/// Part of a product: rows [row0, row1) of panels [panel0, panel1).
struct Piece {
  int64_t row0, row1, panel0, panel1;
  bool empty() const { return row0 >= row1 || panel0 >= panel1; }
};

/// What a cut looks at.
struct ProductSize {
  int64_t rows, panels, work;  // work: multiply-adds of the whole
  int64_t weight_bytes;        // which every thread reads if each has some of the rows
  int64_t source_bytes;        // which every thread reads if each has some of the panels
  int64_t unit = 6;            // rows that belong together (a line of pixels), or that kernels take at once
  int64_t last = 64;           // columns of the last panel, where all others have 64
};

/// By rows or by panels of columns, whichever makes threads read less twice: 3x3 layers on small images have ten times as many
/// weights as source bytes, and they come from beyond the second-level cache. Cut by panels, threads get the same number of
/// columns times rows; a panel may belong to two of them.
class Cut {
 public:
  Cut(const ProductSize& size, int64_t threads);
  int64_t pieces() const { return pieces_; }
  bool by_rows() const { return by_rows_; }
  Piece operator[](int64_t i) const;  // may be empty

 private:
  struct Place {
    int64_t panel, row;
  };
  int64_t row_at(int64_t piece) const;
  Place begin_of(int64_t part) const;
  Piece of_panels(int64_t part, int64_t which) const;

  int64_t rows_, panels_, unit_, last_, pieces_, parts_;
  bool by_rows_;
};

}  // namespace bitwright
