// Between the drivers of matmul and conv and the dot kernels.
#pragma once

#include "kernels/dot/dot.hpp"
#include "kernels/dot/pack.hpp"
#include "kernels/requantize/output.hpp"

namespace bitwright {

/// Why the dot kernels do not take these types and proofs, or null.
const char* dot_refuses(DType src, DType weights, DType out, bool weight_zero, bool fits_int32);

/// Everything of DotArgs that does not depend on rows: kernel-independent form, stride and requantization of `out`; k bytes
/// per segment.
DotArgs dot_args(int64_t segments, int64_t k, const Output& out);
inline DotArgs dot_args(const PackedWeights& packed, const Output& out) { return dot_args(packed.segments, packed.k, out); }

/// What panels point into; offset and sum by column, as in PackedWeights.
struct PanelData {
  const int8_t* bytes;
  const int32_t* offset;
  const int32_t* sum;
};
/// Moves `args`, as dot_args made it, to a panel and to output row `row`.
void set_panel(DotArgs& args, const PanelData& data, const PackedPanel& panel, const Output& out, int64_t row);
inline void set_panel(DotArgs& args, const PackedWeights& packed, const PackedPanel& panel, const Output& out, int64_t row) {
  set_panel(args, {packed.bytes.values<int8_t>().data(), packed.offset.data(), packed.sum.data()}, panel, out, row);
}

}  // namespace bitwright
