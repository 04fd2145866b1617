#include "runtime/cut.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace bitwright {
namespace {

/// Columns times rows.
int64_t area(const Piece& p, const ProductSize& size) {
  if (p.empty()) return 0;
  return (p.row1 - p.row0) * ((p.panel1 - p.panel0) * 64 - (p.panel1 == size.panels ? 64 - size.last : 0));
}

/// A product of `k` bytes per row and 64 columns per panel.
ProductSize product(int64_t rows, int64_t panels, int64_t k, int64_t unit = 6) {
  return {rows, panels, rows * panels * 64 * k, panels * 64 * k, rows * k, unit};
}

TEST(Cut, PiecesCoverTheProductOnce) {
  for (const int64_t rows : {0, 1, 5, 16, 49, 196, 3136})
    for (const int64_t panels : {1, 2, 3, 15})
      for (const int64_t threads : {1, 2, 3, 7})
        for (const int64_t k : {4, 64, 4608})
          for (const int64_t unit : {1, 6, 7, 56}) {
            const Cut cut(product(rows, panels, k, unit), threads);
            std::vector<int> seen(static_cast<size_t>(rows * panels));
            for (int64_t i = 0; i < cut.pieces(); ++i)
              for (int64_t r = cut[i].row0; r < cut[i].row1; ++r)
                for (int64_t p = cut[i].panel0; p < cut[i].panel1; ++p) ++seen[static_cast<size_t>(r * panels + p)];
            ASSERT_EQ(seen, std::vector<int>(seen.size(), 1)) << rows << ' ' << panels << ' ' << threads << ' ' << k << ' ' << unit;
            EXPECT_TRUE(threads > 1 || cut.pieces() <= 1);
          }
}

TEST(Cut, WhatIsReadTwiceIsTheSmaller) {
  EXPECT_FALSE(Cut(product(49, 15, 320), 2).by_rows());   // 300 kB of weights, 16 of sources
  EXPECT_FALSE(Cut(product(196, 4, 2304), 2).by_rows());  // a 3x3 layer of 256 channels on 14 x 14 pixels
  EXPECT_TRUE(Cut(product(3136, 1, 64), 2).by_rows());
  EXPECT_TRUE(Cut(product(3136, 4, 64), 2).by_rows());
  EXPECT_EQ(Cut(product(3136, 1, 64), 2).pieces(), 4);
}

TEST(Cut, ThreadsGetAlikeParts) {
  for (const int64_t rows : {196, 256, 784})
    for (const int64_t panels : {2, 3, 5, 16})
      for (const int64_t last : {16, 64})
        for (const int64_t threads : {2, 3, 4}) {
          ProductSize size = product(rows, panels, 64);
          size.last = last, size.source_bytes = 0, size.work = int64_t{1} << 30;
          const Cut cut(size, threads);
          const int64_t share = cut.pieces() / threads;
          std::vector<int64_t> work(static_cast<size_t>(threads));
          for (int64_t i = 0; i < cut.pieces(); ++i) work[static_cast<size_t>(i / share)] += area(cut[i], size);
          const auto [least, most] = std::minmax_element(work.begin(), work.end());
          EXPECT_LE(*most - *least, 2 * 6 * 64) << rows << ' ' << panels << ' ' << last << ' ' << threads;  // both ends are rounded
        }
}

TEST(Cut, LinesOfPixelsStayWhole) {
  for (const int64_t panels : {1, 15})
    for (const int64_t threads : {2, 3}) {
      ProductSize size = product(14 * 14, panels, 4608, 14);
      for (size.source_bytes = 0; size.source_bytes <= 1; ++size.source_bytes) {
        const Cut cut(size, threads);
        for (int64_t i = 0; i < cut.pieces(); ++i) {
          if (cut[i].empty()) continue;
          EXPECT_EQ(cut[i].row0 % 14, 0);
          EXPECT_EQ(cut[i].row1 % 14, 0);
        }
      }
    }
}

}  // namespace
}  // namespace bitwright
