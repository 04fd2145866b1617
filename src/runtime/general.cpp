// The lowering that always works: an operator computed by its catalogue entry on plain tensors.
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

class GeneralStep : public Step {
 public:
  GeneralStep(const Node& node, std::vector<BufferId> inputs, std::vector<std::pair<ValueId, BufferId>> outer,
              std::shared_ptr<const CellProducts> products = {})
      : node_(node), op_(find_op(node.domain, node.op)), inputs_(std::move(inputs)), outer_(std::move(outer)),
        products_(std::move(products)) {}

  void run(StepContext& context) const override {
    std::vector<Tensor> args;
    for (const BufferId id : inputs_) args.push_back(id == kNoBuffer ? Tensor() : context.at(id));
    OpContext op_context(node_, args, false, &context.threads());
    op_context.cell_products = products_.get();
    for (const BufferId id : writes) op_context.prepared.push_back(context.at(id));
    op_context.run_nested = [&](const Graph& nested, std::span<const Tensor> nested_args) {
      return interpret(nested, nested_args, &context.threads(), [&](ValueId id) { return outer(context, id); });
    };
    run_operator(*op_, op_context);
    std::vector<Tensor> results = op_context.take_outputs();
    for (size_t i = 0; i < writes.size(); ++i) keep(context, args, i, results);
  }

 private:
  Tensor outer(StepContext& context, ValueId id) const {
    for (const auto& [value, buffer] : outer_)
      if (value == id) return context.at(buffer);
    BW_CHECK(false && "nested graphs read only what was collected");
    return {};
  }

  /// Results whose shape was not known are kept as made, unless they are an input's memory, which may be reused.
  void keep(StepContext& context, const std::vector<Tensor>& args, size_t i, std::vector<Tensor>& results) const {
    if (i >= results.size() || results[i].empty()) return;
    Tensor& to = context.at(writes[i]);
    if (to.has_data() && to.raw() == results[i].raw() && to.dtype() != DType::string) return;
    bool aliases = false;
    for (const Tensor& arg : args) aliases = aliases || (arg.raw() && arg.raw() == results[i].raw());
    to = aliases ? results[i].clone() : results[i];
  }

  Node node_;
  const Op* op_;
  std::vector<BufferId> inputs_;
  std::vector<std::pair<ValueId, BufferId>> outer_;
  std::shared_ptr<const CellProducts> products_;
};

int64_t multiply_adds(const Node& node, const Tensor* x, const Tensor* w, const Tensor* y) {
  if (!x || !w || !y) return 0;
  if (node.is("Conv")) return w->rank() < 2 ? 0 : y->elements() * (w->elements() / std::max<int64_t>(1, w->dim(0)));
  if (node.is("ConvTranspose")) return x->elements() * (w->elements() / std::max<int64_t>(1, w->dim(0)));
  if ((node.is("LSTM") || node.is("GRU") || node.is("RNN")) && x->rank() == 3 && w->rank() == 3) {
    const int64_t columns = w->dim(0) * w->dim(1), hidden = node.attr_int("hidden_size", 1);
    return x->dim(0) * x->dim(1) * columns * (x->dim(2) + hidden);  // input and recurrent products
  }
  if (node.is("MatMul") && x->rank() > 0) return y->elements() * x->dim(-1);
  if (node.is("Gemm") && x->rank() == 2) return y->elements() * x->dim(node.attr_int("transA", 0) ? 0 : 1);
  return 0;
}

}  // namespace

std::unique_ptr<Step> operator_step(const Node& node, std::vector<BufferId> inputs, std::vector<BufferId> outputs,
                                    std::shared_ptr<const CellProducts> products) {
  auto step = std::make_unique<GeneralStep>(node, inputs, std::vector<std::pair<ValueId, BufferId>>(), std::move(products));
  step->info.kernel = str("float ", node.op);
  for (const BufferId id : inputs)
    if (id != kNoBuffer) step->reads.push_back(id);
  step->writes = std::move(outputs);
  return step;
}

void lower_general(Lowering& lowering, const Node& node, std::vector<std::string> refusals) {
  std::vector<BufferId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    inputs.push_back(node.inputs[i] == ValueId::none ? kNoBuffer : lowering.floats(node, i));
  std::vector<std::pair<ValueId, BufferId>> outer;
  for (const auto& [key, attribute] : node.attributes)
    if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute))
      for (const ValueId id : outer_reads(**nested)) outer.emplace_back(id, lowering.plain_floats(id));
  auto step = std::make_unique<GeneralStep>(node, inputs, outer);
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str("float ", node.op);
  step->info.notes = std::move(refusals);
  step->info.macs = multiply_adds(node, lowering.known(node.input(0)), lowering.known(node.input(1)),
                                  node.outputs.empty() ? nullptr : lowering.known(node.output()));
  for (const BufferId id : inputs)
    if (id != kNoBuffer) step->reads.push_back(id);
  for (const auto& [value, buffer] : outer) step->reads.push_back(buffer);
  for (const ValueId id : node.outputs) {
    const Tensor* known = id == ValueId::none ? nullptr : lowering.known(id);
    const bool planned = known && known->dtype() != DType::string;
    step->writes.push_back(planned ? lowering.make(known->dtype(), known->shape()) : lowering.make_unknown());
  }
  const std::vector<BufferId> writes = step->writes;
  lowering.add(std::move(step));
  for (size_t i = 0; i < node.outputs.size(); ++i) lowering.define_raw(node.outputs[i], writes[i]);
}

}  // namespace bitwright
