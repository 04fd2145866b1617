// Depthwise convolution (groups == c == oc): K is the kernel's taps, and each column has codes of its own. The weights
// are packed as for a matrix product of K = kh * kw, so one packing serves all kernels.
//
// A depthwise kernel takes DotArgs with another meaning of `a`: a[r * a_step + t] is where channel 0 of tap t of row r
// lies, for 4 * k4 taps; those beyond kh * kw have zero weights and may point at anything as long as a pixel. `tail`
// real taps are in the last group (0: all 4). Channels [column, column + columns) are read, never more.
#pragma once

#include "kernels/dot/dot.hpp"

namespace bitwright {

struct ConvArgs;
struct ConvShape;

bool conv_is_depthwise(const ConvShape& shape);
int64_t depthwise_scratch_bytes(const ConvShape& shape);
/// Pointers for some pixels at a time, then `kernel` for every panel.
void conv_depthwise(const ConvArgs& args, DotKernel kernel, int64_t row0, int64_t row1) noexcept;

void depthwise_u8s8_ref(const DotArgs& args) noexcept;
#if defined(__x86_64__)
void depthwise_u8s8_16_avx2(const DotArgs& args) noexcept;
void depthwise_u8s8_64_avx512(const DotArgs& args) noexcept;
#endif

}  // namespace bitwright
