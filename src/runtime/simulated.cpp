// The simulated twin of a linear operator: integer-valued floats under the node's own float operator, then the definition of
// how the result leaves.
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// src float on its grid -> integer-valued float q - z.
class CenterStep : public Step {
 public:
  CenterStep(BufferId src, BufferId dst, EngineGrid grid) : grid_(grid) {
    info.kernel = "codes as float";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const auto from = context.at(reads[0]).values<float>();
    const auto to = context.at(writes[0]).values<float>();
    for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(grid_.code(from[i]) - grid_.zero);
  }

 private:
  EngineGrid grid_;
};

/// Integer-valued float accumulators -> the float value of the result's code, by the definition of the profile.
class SimulatedLeaveStep : public Step {
 public:
  SimulatedLeaveStep(BufferId src, BufferId dst, const Linear& linear, Leaving leaving, int64_t channel_axis_from_end)
      : linear_(linear), leaving_(std::move(leaving)), dst_(linear.dst ? linear.clamped_dst() : EngineGrid()), axis_(channel_axis_from_end) {
    info.kernel = "requantize (definition)";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    const auto from = src.values<float>();
    const auto to = context.at(writes[0]).values<float>();
    int64_t inner = 1;
    for (int64_t d = src.rank() - axis_ + 1; d < src.rank(); ++d) inner *= src.dim(d);
    const Output out = leaving_.output(nullptr, 0);
    for (size_t i = 0; i < from.size(); ++i) {
      const int64_t channel = static_cast<int64_t>(i) / inner % linear_.channels;
      const auto c = static_cast<size_t>(channel);
      const int64_t acc = static_cast<int64_t>(from[i]) + (linear_.bias.empty() ? 0 : linear_.bias[c]);
      if (linear_.leaves_codes()) {
        to[i] = value(requantize_exact(out.requantize, acc, channel));
      } else {
        float real = static_cast<float>(acc) * leaving_.scale[c];
        if (!leaving_.bias.empty()) real += leaving_.bias[c];
        to[i] = linear_.dst ? value(dst_.code(real)) : real;
      }
    }
  }

 private:
  float value(int32_t code) const { return static_cast<float>(code - dst_.zero) * dst_.scale; }

  Linear linear_;
  Leaving leaving_;
  EngineGrid dst_;
  int64_t axis_;
};

}  // namespace

Reason floats_refuse(const std::vector<Reach>& reach) {
  constexpr int64_t kExact = int64_t{1} << 24;
  for (const Reach& r : reach)
    if (r.lo <= -kExact || r.hi >= kExact) return "its sums do not fit a float32 exactly";
  return {};
}

BufferId centered(Lowering& lowering, const Node& node, size_t i, const EngineGrid& grid) {
  const BufferId result = lowering.make(DType::f32, lowering.known(node.input(i))->shape());
  lowering.add(std::make_unique<CenterStep>(lowering.floats(node, i), result, grid));
  return result;
}

void leave_simulated(Lowering& lowering, const Node& node, const Linear& linear, BufferId sums,
                     int64_t channel_axis_from_end, const std::vector<Reach>& reach) {
  const BufferId result = lowering.make(DType::f32, lowering.known(node.output())->shape());
  std::vector<std::string> notes;
  Leaving leaving = make_leaving(linear, lowering.table().profile, reach, notes);
  auto& leave = lowering.add(
      std::make_unique<SimulatedLeaveStep>(sums, result, linear, std::move(leaving), channel_axis_from_end));
  leave.info.node = node.id;
  leave.info.name = display_name(node) + linear.tail.names;
  leave.info.kernel = str("simulated ", node.op);
  lowering.absorb(linear.tail);
  if (linear.dst) {
    lowering.define_floats(linear.tail.value, result);
  } else {
    lowering.define_raw(node.output(), result);
  }
}

Reason lower_simulated(Lowering& lowering, const Node& node, const Linear& linear, size_t weight_input, size_t bias_input,
                       int weight_axis, int64_t channel_axis_from_end, const std::vector<Reach>& reach) {
  if (Reason reason = floats_refuse(reach)) return reason;
  // Weights as integer-valued floats, the bias left out: it is added to the integer.
  Tensor weights(DType::f32, linear.weights.shape());
  const Shape strides = strides_of(weights.shape());
  const auto out = weights.values<float>();
  const int64_t stride = strides[static_cast<size_t>(weight_axis)], extent = weights.dim(weight_axis);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t channel = at / stride % extent;
    out[i] = static_cast<float>(value_as_int(linear.weights, at) - linear.weight_zero[static_cast<size_t>(channel)]);
  }
  const BufferId x = centered(lowering, node, 0, linear.src);
  Node plain = node;
  plain.inputs.resize(std::min(plain.inputs.size(), std::max(weight_input + 1, size_t{2})));
  if (bias_input < plain.inputs.size()) plain.inputs.resize(bias_input);
  const BufferId sums = lowering.make(DType::f32, lowering.known(node.output())->shape());
  lowering.add(operator_step(plain, {x, lowering.make_constant(weights)}, {sums}));
  leave_simulated(lowering, node, linear, sums, channel_axis_from_end, reach);
  return {};
}

}  // namespace bitwright
