// The transposed convolution by dot kernels. Output pixels whose coordinates leave the same remainders modulo the strides see
// the same taps, and those of one line see neighbouring source pixels. So the weights are packed tap by tap (a segment each),
// ordered by remainder, and every dot call is for some pixels of one remainder and line: no product with a hole is made.
#pragma once

#include "kernels/conv/conv.hpp"
#include "kernels/dot/dot.hpp"

namespace bitwright {

/// Weights i8 [oc, kh, kw, c / groups]. PackedWeights::phases are by remainder, rows first.
PackedWeights pack_transposed(const ConvShape& shape, const int8_t* weights, const int32_t* bias, SrcCodes src);
int64_t transposed_scratch_bytes(const ConvShape& shape);
void conv_transposed(const ConvArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept;

}  // namespace bitwright
