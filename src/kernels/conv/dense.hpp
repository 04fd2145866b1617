// Where the bytes of each output pixel lie, for the dot kernels.
//   direct  one segment per kernel row: in NHWC its kw * c bytes are contiguous in the image, so nothing is copied except
//           what touches the padding
//   patch   everything of a pixel copied behind each other; for groups and dilated columns
#pragma once

#include "kernels/conv/conv.hpp"
#include "kernels/dot/dot.hpp"

namespace bitwright {

bool conv_is_direct(const ConvShape& shape);

/// A conv kernel: pointers for a block of pixels, then `dot` for every panel.
void conv_dense(const ConvArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept;

}  // namespace bitwright
