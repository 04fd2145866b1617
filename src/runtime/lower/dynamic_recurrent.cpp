// LSTM, GRU and RNN with weights as codes: the input is quantized once for all steps, with one range for all of it or one for
// each step of each sequence (per row), the hidden state at every step of each sequence; gates are computed in float.
#include "runtime/cell_products.hpp"

namespace bitwright {
namespace {

Reason lower_recurrent(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->when != When::at_run) return "";
  CellCodes w, r;
  if (std::string reason = read_cell_codes(lowering, node, 1, w); !reason.empty()) return reason;
  if (std::string reason = read_cell_codes(lowering, node, 2, r); !reason.empty()) return reason;
  if (w.codes.dim(2) > (int64_t{1} << 16) || r.codes.dim(2) > (int64_t{1} << 16)) return "its sums may not fit int32";
  const Tensor& x = *lowering.known(node.input(0));
  if (x.dtype() != DType::f32) return "its input is not float32";
  const int64_t directions = r.codes.dim(0), columns = r.codes.dim(1);
  const auto products = cell_products(lowering, node, w, r, entry->per_row);
  std::vector<BufferId> inputs, outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i == 1 || i == 2) {  // only their shapes are read
      inputs.push_back(lowering.make_constant(Tensor::described(DType::f32, (i == 1 ? w : r).codes.shape())));
    } else {
      const bool given = node.inputs[i] != ValueId::none;
      inputs.push_back(!given ? kNoBuffer : i == 0 ? lowering.before_entry(node, i, Order::plain) : lowering.floats(node, i));
    }
  }
  for (const ValueId id : node.outputs) {
    const Tensor* known = id == ValueId::none ? nullptr : lowering.known(id);
    outputs.push_back(known ? lowering.make(DType::f32, known->shape()) : lowering.make_unknown());
  }
  auto step = operator_step(node, inputs, outputs, products);
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str("dynamic int8 ", node.op);
  step->info.integer = true;
  step->info.macs = x.dim(0) * x.dim(1) * directions * columns * (w.codes.dim(2) + r.codes.dim(2));
  step->constant_bytes = static_cast<int64_t>(w.codes.bytes() + r.codes.bytes());
  lowering.add(std::move(step));
  for (size_t i = 0; i < outputs.size(); ++i) lowering.define_raw(node.outputs[i], outputs[i]);
  return {};
}

const LoweringRule kRules[] = {{"LSTM", lower_recurrent}, {"GRU", lower_recurrent}, {"RNN", lower_recurrent}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_recurrent() { return kRules; }

}  // namespace bitwright
