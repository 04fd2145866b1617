// Between the drivers of matmul and conv and the dot kernels.
#pragma once

#include "kernels/dot/dot.hpp"
#include "kernels/dot/pack.hpp"
#include "kernels/requantize/output.hpp"

namespace bitwright {

/// Why the dot kernels do not take these types and proofs, or null.
const char* dot_refuses(DType src, DType weights, DType out, bool weight_zero, bool fits_int32);

/// Everything of DotArgs that does not depend on rows: kernel-independent form, stride and requantization of `out`.
DotArgs dot_args(const PackedWeights& packed, const Output& out);
/// Moves `args`, as dot_args made it, to a panel and to output row `row`.
void set_panel(DotArgs& args, const PackedWeights& packed, const PackedPanel& panel, const Output& out, int64_t row);

}  // namespace bitwright
