// Root mean square normalization of rows of 8-bit codes: the squares are summed as integers, exactly, so one root per row in double
// is all that rounds before the elements do, and every instruction set gives the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/isa.hpp"

namespace bitwright {

/// x = (code - zero) * step; y = (x / sqrt(mean(x * x) + epsilon)) * scale.
struct RmsCodesArgs {
  const uint8_t* src = nullptr;  // [rows, length]
  float* dst = nullptr;
  int64_t length = 0;            // at most 2^36
  int32_t zero = 0;              // a code
  float step = 1;
  const float* scale = nullptr;  // [length]
  float epsilon = 0;
};

/// Rows [row0, row1).
using RmsCodesKernel = void (*)(const RmsCodesArgs& args, int64_t row0, int64_t row1) noexcept;

struct RmsCodesRow {
  Isa isa;
  const char* name;
  RmsCodesKernel kernel;
};
const std::vector<RmsCodesRow>& rms_codes_kernels();
/// The best that may run; there is always one.
const RmsCodesRow& select_rms_codes(Isa cap = isa_cap());

#define BW_RMS_CODES(isa) void rms_norm_u8_##isa(const RmsCodesArgs& args, int64_t row0, int64_t row1) noexcept;
#include "kernels/rows/codes.inc"
#undef BW_RMS_CODES

}  // namespace bitwright
