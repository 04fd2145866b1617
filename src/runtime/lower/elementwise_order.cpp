// Float operators that do not care how values lie in memory keep images channels last: functions of one tensor, and Add,
// Sub, Mul, Div, Max... of tensors of one shape. The global mean of images goes back to plain order by itself (one value
// per channel), everything else asks for plain order.
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

bool is_elementwise(const Node& node, const Op& op) {
  if (node.is("Softmax") || node.is("LogSoftmax") || node.outputs.size() != 1) return false;
  return op.quant.kind == QuantRule::Kind::table || op.quant.kind == QuantRule::Kind::fixed ||
         (op.quant.kind == QuantRule::Kind::rescale && node.inputs.size() == 2) || node.is("Div") || node.is("Identity");
}

Reason lower_in_order(Lowering& lowering, const Node& node) {
  const Op* op = find_op(node.domain, node.op);
  if (!is_elementwise(node, *op)) return "";
  const Shape& shape = lowering.known(node.output())->shape();
  bool last = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) last = last || lowering.prefers_channels_last(node, i);
  if (!last || shape.size() < 3) return "";
  for (const ValueId id : node.inputs)
    if (id != ValueId::none && lowering.known(id)->shape() != shape && lowering.known(id)->elements() != 1) return "";
  std::vector<BufferId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const bool whole = node.inputs[i] != ValueId::none && lowering.known(node.inputs[i])->shape() == shape;
    inputs.push_back(node.inputs[i] == ValueId::none
                         ? kNoBuffer
                         : lowering.floats(node, i, whole ? Order::channels_last : Order::plain));
  }
  const BufferId out = lowering.make(lowering.known(node.output())->dtype(), channels_last_shape(shape));
  auto step = operator_step(node, inputs, {out});
  step->info.node = node.id;
  step->info.name = display_name(node);
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out, Order::channels_last);
  return {};
}

const LoweringRule kRules[] = {{"*", lower_in_order, Stage::floats}};

}  // namespace

std::span<const LoweringRule> lowerings_elementwise_order() { return kRules; }

}  // namespace bitwright
