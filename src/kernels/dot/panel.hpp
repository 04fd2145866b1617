// Between the drivers of matmul and conv and the dot kernels.
#pragma once

#include "kernels/dot/dot.hpp"
#include "kernels/dot/pack.hpp"
#include "kernels/requantize/output.hpp"

namespace bitwright {

/// Rows of one call of a dot kernel for each panel: a multiple of every tile height, few enough that what they point at stays in
/// the second-level cache; all that are `left` where a last call for a few of them would read the weights once more.
constexpr int64_t kBlockRows = 48, kMostBlockRows = 64;
inline int64_t rows_of_block(int64_t left) { return left <= kMostBlockRows ? left : kBlockRows; }

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

/// Panel `i` of those that a call computes for each block of rows, and what is read after it; `again`: there are more blocks.
inline void set_panel(DotArgs& args, const PackedWeights& packed, const PanelRange& range, size_t i, bool again, const Output& out,
                      int64_t row) {
  const auto panels = range.of(packed);
  set_panel(args, packed, panels[i], out, row);
  const PackedPanel* next = i + 1 < panels.size()          ? &panels[i + 1]
                            : again && panels.size() > 1   ? panels.data()
                            : range.then >= 0              ? &packed.panels[static_cast<size_t>(range.then)]
                                                           : nullptr;
  if (next) args.next = packed.bytes.values<int8_t>().data() + next->at;
}

}  // namespace bitwright
