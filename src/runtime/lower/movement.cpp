// Operators that only move values (Reshape, Concat, Slice, Gather, nearest Resize...) run on the codes themselves when the
// grids agree, through their own catalogue entry. Concat along channels keeps the channels-last layout.
#include <cstring>

#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

bool moves_values(const Node& node) {
  static const std::unordered_set<std::string_view> names = {
      "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Expand", "Tile", "Gather",
      "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth", "Identity", "Dropout", "ReverseSequence", "Pad"};
  if (!node.domain.empty()) return false;
  if (node.op == "Resize") return node.attr_string("mode", "nearest") == "nearest" &&
                                  node.attr_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize";
  return names.count(node.op) != 0;
}

/// Another shape of the same values in the same order.
bool keeps_order(const Node& node) {
  return node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" || node.op == "Unsqueeze" ||
         node.op == "Identity" || node.op == "Dropout";
}

class CopyStep : public Step {
 public:
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    constexpr int64_t kGrain = 1 << 18;
    context.rows(static_cast<int64_t>(src.bytes()), kGrain, [&](int64_t begin, int64_t end, std::byte*) {
      std::memcpy(context.at(writes[0]).raw() + begin, src.raw() + begin, static_cast<size_t>(end - begin));
    });
  }
};

bool takes_codes(const Node& node, size_t input) { return node.op == "Concat" || input == 0; }

/// Pad writes a value of its own: it becomes a code.
Reason pad_value(Lowering& lowering, const Node& node, const EngineGrid& grid, BufferId& buffer) {
  if (node.attr_string("mode", "constant") != "constant") return {};
  float value = 0;
  if (node.input(2) != ValueId::none) {
    const Tensor* constant = lowering.constant(node.input(2));
    if (!constant || constant->dtype() != DType::f32) return "pads with a value that is not constant";
    value = constant->values<float>()[0];
  }
  const int32_t code = grid.code(value);
  Tensor tensor(grid.type, {});
  dispatch(grid.type, [&]<class T>(T*) { tensor.values<T>()[0] = static_cast<T>(static_cast<float>(code)); });
  buffer = lowering.make_constant(tensor);
  return {};
}

/// A Concat along channels of images that are already channels last is a Concat along the last axis.
bool concat_channels_last(const Lowering& lowering, const Node& node, const Tensor& y) {
  if (node.op != "Concat" || y.rank() < 3) return false;
  const int64_t axis = node.attr_int("axis", 0);
  if (axis != 1 && axis != 1 - y.rank()) return false;
  bool any = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) any = any || lowering.prefers_channels_last(node, i);
  return any;
}

Reason lower_movement(Lowering& lowering, const Node& node) {
  if (!moves_values(node)) return "";
  std::optional<EngineGrid> grid = lowering.input_grid(node, 0);
  if (!grid) return "";
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (takes_codes(node, i) && lowering.input_grid(node, i) != grid) return "inputs have different grids";
  for (const ValueId id : node.outputs)
    if (id != ValueId::none && lowering.output_grid(id) != grid) return "input and result have different grids";

  const Tensor& y = *lowering.known(node.output());
  const bool last = concat_channels_last(lowering, node, y);
  Node moved = node;
  if (last) moved.attributes["axis"] = int64_t{-1};
  if (node.op == "Pad" && moved.inputs.size() < 3) moved.inputs.resize(3, ValueId::none);
  std::vector<BufferId> inputs, outputs;
  for (size_t i = 0; i < moved.inputs.size(); ++i) {
    if (takes_codes(node, i)) {
      inputs.push_back(lowering.codes(node, i, last ? Order::channels_last : Order::plain));
    } else {
      inputs.push_back(moved.inputs[i] == ValueId::none ? kNoBuffer : lowering.floats(node, i));
    }
  }
  if (node.op == "Pad")
    if (const Reason reason = pad_value(lowering, node, *grid, inputs[2])) return reason;
  for (const ValueId id : node.outputs) {
    const Shape& shape = lowering.known(id == ValueId::none ? node.output() : id)->shape();
    outputs.push_back(lowering.make(grid->type, last ? channels_last_shape(shape) : shape));
  }
  std::unique_ptr<Step> step;
  if (keeps_order(node) && outputs.size() == 1) {
    step = std::make_unique<CopyStep>();
    step->reads = {inputs[0]};
    step->writes = outputs;
  } else {
    step = operator_step(moved, inputs, outputs);
  }
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str(node.op, " of codes");
  lowering.add(std::move(step));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (node.outputs[i] != ValueId::none)
      lowering.define_codes(node.outputs[i], outputs[i], last ? Order::channels_last : Order::plain);
  return {};
}

const LoweringRule kRules[] = {{"*", lower_movement}};

}  // namespace

std::span<const LoweringRule> lowerings_movement() { return kRules; }

}  // namespace bitwright
