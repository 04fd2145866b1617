// What calibration wants of the values that pass by: their range, and in which bins of a histogram they lie. Counting is no part
// of it: one store per value, which no vector makes faster.
#pragma once

#include <cstdint>

#include "kernels/isa.hpp"

namespace bitwright {

constexpr int kScanLanes = 16;

/// Extremes by lane: value i belongs to lane i % 16 in whole groups of 16, what is left over to lane 0. A float reduction may not
/// be reordered, so that all instruction sets find the same zero of -0 and 0.
struct ScanLanes {
  float low[kScanLanes], high[kScanLanes];  // of the values so far
  float residue[kScanLanes];  // sums of x - x: 0, or NaN from the first value on that is infinite or NaN
  uint64_t zeros;             // of either sign
};
using ScanKernel = void (*)(const float* x, int64_t n, ScanLanes& lanes) noexcept;

/// index[...] = floor(x[i] * inverse_width) - base, in order, at most n of them and memory for 16 more; how many. Zeros may be left
/// out, nothing else: after a ReLU they are half of all values. |x[i] * inverse_width| < 2^24.
using BinsKernel = int64_t (*)(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept;

struct BinsRow {
  Isa isa;
  const char* name;
  ScanKernel scan;
  BinsKernel bins;
};
/// The best that may run; the last, `bins_ref`, always may.
const BinsRow& select_bins(Isa cap = isa_cap());

void scan_ref(const float* x, int64_t n, ScanLanes& lanes) noexcept;
int64_t bins_ref(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept;
#if defined(__x86_64__)
void scan_avx2(const float* x, int64_t n, ScanLanes& lanes) noexcept;
int64_t bins_avx2(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept;
void scan_avx512(const float* x, int64_t n, ScanLanes& lanes) noexcept;
int64_t bins_avx512(const float* x, int64_t n, float inverse_width, int32_t base, int32_t* index) noexcept;
#endif

}  // namespace bitwright
