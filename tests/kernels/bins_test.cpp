#include "kernels/bins/bins.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "support.hpp"

namespace bitwright {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

ScanLanes nothing() {
  ScanLanes lanes{};
  for (float& v : lanes.low) v = kInfinity;
  for (float& v : lanes.high) v = -kInfinity;
  return lanes;
}

std::vector<BinsRow> rows() {
  std::vector<BinsRow> all;
#if defined(__x86_64__)
  if (machine_has(Isa::avx2)) all.push_back({Isa::avx2, "bins_avx2", scan_avx2, bins_avx2});
  if (machine_has(Isa::avx512)) all.push_back({Isa::avx512, "bins_avx512", scan_avx512, bins_avx512});
#endif
  all.push_back(select_bins());
  return all;
}

/// Values of both signs, zeros of both signs among them.
std::vector<float> values(Random& random, int64_t n) {
  std::vector<float> made;
  for (int64_t i = 0; i < n; ++i) made.push_back(i % 3 ? static_cast<float>(random.in(-4000, 4000)) / 777 : i % 2 ? 0.0f : -0.0f);
  return made;
}

bool same(const ScanLanes& a, const ScanLanes& b) {
  bool equal = a.zeros == b.zeros;
  for (int i = 0; i < kScanLanes; ++i)
    equal = equal && std::memcmp(&a.low[i], &b.low[i], 4) == 0 && std::memcmp(&a.high[i], &b.high[i], 4) == 0 &&
            std::isnan(a.residue[i]) == std::isnan(b.residue[i]);
  return equal;
}

TEST(Bins, EveryLaneFindsWhatTheReferenceFinds) {
  Random random(seed());
  for (const BinsRow& row : rows())
    for (const int64_t n : {0, 1, 15, 16, 17, 31, 33, 500})
      for (const float odd : {0.0f, kInfinity, -kInfinity, std::nanf("")}) {
        std::vector<float> x = values(random, n + 1);
        if (odd != 0 && n > 0) x[static_cast<size_t>(n / 2 + 1)] = odd;
        ScanLanes wanted = nothing(), got = nothing();
        for (int again = 0; again < 2; ++again) {  // the second time they go on from what they have
          scan_ref(x.data() + 1, n, wanted);
          row.scan(x.data() + 1, n, got);
        }
        EXPECT_TRUE(same(wanted, got)) << row.name << " " << n << " " << odd;
      }
}

TEST(Bins, AllButZerosAreInTheBinsOfTheReference) {
  Random random(seed());
  for (const BinsRow& row : rows())
    for (const int64_t n : {0, 1, 15, 16, 17, 31, 33, 500})
      for (const int32_t base : {-300, 0, 5}) {
        const std::vector<float> x = values(random, n + 1);
        std::vector<int32_t> wanted(static_cast<size_t>(n + 16)), got = wanted;
        std::map<int32_t, int64_t> counts;
        for (int64_t i = 0; i < bins_ref(x.data() + 1, n, 64, base, wanted.data()); ++i) {
          EXPECT_EQ(wanted[static_cast<size_t>(i)], static_cast<int32_t>(std::floor(x[static_cast<size_t>(i + 1)] * 64)) - base);
          ++counts[wanted[static_cast<size_t>(i)]];
        }
        const int64_t made = row.bins(x.data() + 1, n, 64, base, got.data());
        for (int64_t i = 0; i < made; ++i) --counts[got[static_cast<size_t>(i)]];
        counts[-base] -= n - made;
        for (const auto& [bin, left] : counts) EXPECT_EQ(left, 0) << row.name << " " << n << " bin " << bin;
      }
}

}  // namespace
}  // namespace bitwright
