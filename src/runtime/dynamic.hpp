// Activations that become codes at run time, by the range of each input.
#pragma once

#include "kernels/dot/pack.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {

struct RunTimeCodes {
  BufferId codes, scale, zero;  // u8 as the input; f32 and i32, one for the tensor or one per row of the last axis
};
/// Adds the step that quantizes input 0 of the node as DynamicQuantizeLinear does, per tensor or per row of the last axis
/// (in the given order).
RunTimeCodes quantize_at_run(Lowering& lowering, const Node& node, Order order, bool per_row);

/// What every dynamic product takes as its activations: whatever the zero point turns out to be, a code minus it lies
/// within +-255.
constexpr SrcCodes kDynamicCodes{.zero = 0, .lo = 0, .hi = 255, .dynamic = true};

/// Scales and biases as kernels want them: vectors may be read past the last channel.
inline std::vector<float> with_slack(std::vector<float> values) {
  values.resize(values.size() + 64);
  return values;
}

/// A bias that stays float, as kernels want it; empty for none.
inline std::vector<float> slack_floats(const Tensor* bias) {
  if (!bias) return {};
  const Tensor values = to_f32(*bias);
  return with_slack({values.values<float>().begin(), values.values<float>().end()});
}

}  // namespace bitwright
