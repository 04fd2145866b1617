#include "kernels/bins/bins.hpp"

namespace bitwright {
namespace {

void visit(ScanLanes& lanes, int64_t lane, float v) {
  lanes.low[lane] = v < lanes.low[lane] ? v : lanes.low[lane];
  lanes.high[lane] = v > lanes.high[lane] ? v : lanes.high[lane];
  lanes.residue[lane] += v - v;
}

}  // namespace

void scan_ref(const float* x, int64_t n, ScanLanes& lanes) noexcept {
  ScanLanes now = lanes;
  uint32_t zeros[kScanLanes] = {};
  int64_t i = 0;
  for (; i + kScanLanes <= n; i += kScanLanes)
    for (int64_t lane = 0; lane < kScanLanes; ++lane) {
      visit(now, lane, x[i + lane]);
      zeros[lane] += x[i + lane] == 0.0f;
    }
  for (; i < n; ++i) {
    visit(now, 0, x[i]);
    zeros[0] += x[i] == 0.0f;
  }
  for (const uint32_t count : zeros) now.zeros += count;
  lanes = now;
}

// The truncation is corrected downwards for negative values: SSE2 has no floor.
int64_t bins_ref(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    const float t = x[i] * inverse_width;
    const auto truncated = static_cast<int32_t>(t);
    index[i] = truncated - (t < static_cast<float>(truncated)) - base;
  }
  return n;
}

}  // namespace bitwright
