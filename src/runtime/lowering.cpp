#include "runtime/lowering.hpp"

#include <algorithm>
#include <cmath>

namespace bitwright {

#define BW_ITEM(stem) std::span<const LoweringRule> lowerings_##stem();
#include "runtime_lower.inc"
#undef BW_ITEM

namespace {

const std::vector<LoweringRule>& all_rules() {
  static const auto rules = [] {
    std::vector<LoweringRule> made;
    auto add = [&](std::span<const LoweringRule> some) { made.insert(made.end(), some.begin(), some.end()); };
#define BW_ITEM(stem) add(lowerings_##stem());
#include "runtime_lower.inc"
#undef BW_ITEM
    std::stable_sort(made.begin(), made.end(), [](const LoweringRule& a, const LoweringRule& b) { return a.stage < b.stage; });
    return made;
  }();
  return rules;
}

bool has_nested(const Node& node) {
  for (const auto& [key, attribute] : node.attributes)
    if (std::holds_alternative<std::shared_ptr<Graph>>(attribute)) return true;
  return false;
}

}  // namespace

std::vector<const LoweringRule*> lowering_rules(const Node& node) {
  std::vector<const LoweringRule*> rules;
  for (const LoweringRule& rule : all_rules())
    if (rule.op == "*" || (node.domain.empty() && rule.op == node.op)) rules.push_back(&rule);
  return rules;
}

Lowering::Lowering(const Model& model, const CompileOptions& options, std::span<const Shape> input_shapes, Plan& plan,
                   SharedConstants& shared)
    : model_(model), options_(options), plan_(plan), shared_(shared), uses_(model.graph),
      tapped_(options.taps.begin(), options.taps.end()) {
  for (size_t i = 0; i < graph().inputs.size(); ++i) {
    const ValueId id = graph().inputs[i];
    producer_[id] = {kGraphInput, Side::output, static_cast<uint16_t>(i)};
    known_[id] = Tensor::described(graph().value(id).dtype, input_shapes[i]);
    plan_.inputs.push_back(plan_.add_buffer(Buffer::input, known_[id]));
  }
}

void Lowering::run() {
  arrange(graph());
  for (size_t i = 0; i < graph().inputs.size(); ++i) define_raw(graph().inputs[i], plan_.inputs[i]);
  for (const Item& item : order_) {
    if (item.taken) {
      for (size_t i = 0; i < item.node->outputs.size(); ++i)
        define_raw(item.node->outputs[i], value_floats(item.taken->outputs[i]));
    } else if (!done_.count(item.node->id)) {
      lower(*item.node);
    }
  }
  for (const ValueId id : graph().outputs) plan_.outputs.push_back(result(id));
  own_states();
  drop_unread();
  for (const Buffer& buffer : plan_.buffers) plan_.dynamic = plan_.dynamic || buffer.kind == Buffer::made;
}

/// Drops the steps whose results a fused step made needless.
void Lowering::drop_unread() {
  const auto root = [&](BufferId id) {
    const BufferId of = plan_.buffers[static_cast<size_t>(id)].root;
    return of == kNoBuffer ? id : of;
  };
  std::unordered_set<BufferId> read;
  for (const BufferId id : plan_.outputs) read.insert(root(id));
  auto& steps = plan_.steps;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const auto& writes = (*step)->writes;
    const bool needed = writes.empty() || std::any_of(writes.begin(), writes.end(), [&](BufferId id) { return read.count(root(id)) != 0; });
    if (!needed) {
      step->reset();
      continue;
    }
    for (const BufferId id : (*step)->reads) read.insert(root(id));
  }
  std::erase(steps, nullptr);
}

/// An output of the network. One that is an input too is given back as it came: in a file both are one value, which its
/// consumers quantize.
BufferId Lowering::result(ValueId value) {
  const auto at = producer_.find(value);
  const bool input = at != producer_.end() && at->second.node == kGraphInput;
  return input ? in_order(forms_[value].raw, Order::plain) : value_floats(value);
}

/// The next state lies in memory of its own: the Run keeps it.
void Lowering::own_states() {
  for (const StatePair& pair : graph().state) {
    BufferId& id = plan_.outputs[pair.output];
    const Buffer& buffer = plan_.buffers[static_cast<size_t>(id)];
    const bool shared = buffer.kind == Buffer::alias || std::any_of(plan_.buffers.begin(), plan_.buffers.end(),
                                                                    [&](const Buffer& other) { return other.root == id; });
    if (!shared) continue;
    const Shape shape = buffer.tensor.shape();
    const BufferId own = make(buffer.tensor.dtype(), shape);
    add(move_step({{{id, MemoryView::dense(shape)}, strides_of(shape), 0}}, own, bits_of(described(own).dtype()) / 8, isa()));
    id = own;
  }
}

void Lowering::arrange(const Graph& scope) {
  for (const auto& [id, value] : scope.values())
    if (value.is_constant()) known_[id] = value.constant;
  for (const Node& node : scope.nodes)
    for (size_t i = 0; i < node.outputs.size(); ++i)
      producer_[node.outputs[i]] = {node.id, Side::output, static_cast<uint16_t>(i)};
  for (const Node& node : scope.nodes) {
    if (fold(node) || take_branch(node)) continue;
    infer(node);
    order_.push_back({&node});
  }
}

/// An If whose condition these shapes decide: its branch is lowered as if it stood in the If's place.
bool Lowering::take_branch(const Node& node) {
  const Tensor* condition = node.is("If") ? constant(node.input(0)) : nullptr;
  if (!condition || condition->elements() != 1 || input_entry(node, 0)) return false;
  const auto at = node.attributes.find(value_as_int(*condition, 0) != 0 ? "then_branch" : "else_branch");
  const auto* branch = at == node.attributes.end() ? nullptr : std::get_if<std::shared_ptr<Graph>>(&at->second);
  if (!branch || !*branch || (*branch)->outputs.size() < node.outputs.size()) return false;
  arrange(**branch);
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (const Tensor* made = known((*branch)->outputs[i]))
      define_known(node.outputs[i], output_entry(node.outputs[i]) ? Tensor::described(made->dtype(), made->shape()) : *made);
  order_.push_back({&node, branch->get()});
  return true;
}

void Lowering::lower(const Node& node) {
  bool all_known = true;
  for (const ValueId id : node.inputs) all_known = all_known && (id == ValueId::none || known(id));
  for (const ValueId id : node.outputs) all_known = all_known && (id == ValueId::none || known(id));
  const auto rules = lowering_rules(node);
  std::vector<std::string> refusals;
  if (all_known) {
    for (const LoweringRule* rule : rules) {
      const Reason reason = rule->lower(*this, node);
      if (!reason) return tell_refusals(node, refusals);
      if (!reason->empty()) refusals.push_back(*reason);
    }
  } else if (std::any_of(rules.begin(), rules.end(), [&](const LoweringRule* rule) { return rule->op == node.op; })) {
    refusals.push_back("its shapes are known at run time only");
  }
  lower_general(*this, node, std::move(refusals));
}

/// A float step of a quantized network says why it is none on codes.
void Lowering::tell_refusals(const Node& node, const std::vector<std::string>& refusals) {
  if (options_.target == Target::floating || table().empty()) return;
  for (auto step = plan_.steps.rbegin(); step != plan_.steps.rend(); ++step) {
    StepInfo& info = (*step)->info;
    if (info.node != node.id) continue;
    if (!info.integer) info.notes.insert(info.notes.end(), refusals.begin(), refusals.end());
    return;
  }
}

bool Lowering::has_stored_parameters(const Node& node) const {
  for (size_t i = 1; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ValueId::none && constant(node.inputs[i]) && !graph().constant(node.inputs[i]))
      return false;
  return true;
}

/// Computes now what depends on constants and shapes only.
bool Lowering::fold(const Node& node) {
  const Op* op = find_op(node.domain, node.op);
  if (!op || !op->deterministic || has_nested(node) || node.outputs.empty()) return false;
  const bool shape_only = node.is("Shape") || node.is("Size");
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    const Tensor* tensor = id == ValueId::none ? nullptr : known(id);
    if (id != ValueId::none && (!tensor || (!tensor->has_data() && !shape_only) || input_entry(node, i))) return false;
    inputs.push_back(tensor ? *tensor : Tensor());
  }
  for (const ValueId id : node.outputs)
    if (output_entry(id) || is_tapped(id)) return false;
  std::vector<Tensor> outputs = evaluate(node, inputs);
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i] != ValueId::none) define_known(node.outputs[i], std::move(outputs[i]));
  return true;
}

void Lowering::infer(const Node& node) {
  std::vector<Tensor> inputs, outputs;
  for (const ValueId id : node.inputs) {
    const Tensor* tensor = id == ValueId::none ? nullptr : known(id);
    if (id != ValueId::none && !tensor) return;
    inputs.push_back(tensor ? *tensor : Tensor());
  }
  if (!infer_outputs(node, inputs, outputs)) return;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == ValueId::none) continue;
    // Only type and shape: an operator may have passed on an input's contents, which folding decides about.
    if (!outputs[i].empty()) define_known(node.outputs[i], Tensor::described(outputs[i].dtype(), outputs[i].shape()));
  }
}

const Tensor* Lowering::known(ValueId value) const {
  const auto at = known_.find(value);
  return at == known_.end() ? nullptr : &at->second;
}

const Tensor* Lowering::constant(ValueId value) const {
  const Tensor* tensor = known(value);
  return tensor && tensor->has_data() ? tensor : nullptr;
}

KernelWish Lowering::wish(const std::string& problem) const {
  if (simulated() || !options_.kernels) return {isa(), {}};
  const auto at = options_.kernels->fastest.find(problem);
  return {isa(), at == options_.kernels->fastest.end() ? std::string() : at->second};
}

// ---- the table

const Entry* Lowering::input_entry(const Node& node, size_t i) const {
  if (options_.target == Target::floating) return nullptr;
  return table().find({node.id, Side::input, static_cast<uint16_t>(i)});
}

const Entry* Lowering::output_entry(ValueId value) const {
  if (options_.target == Target::floating) return nullptr;
  const auto at = producer_.find(value);
  return at == producer_.end() ? nullptr : table().find(at->second);
}

std::optional<EngineGrid> Lowering::input_grid(const Node& node, size_t i) const {
  const Entry* entry = input_entry(node, i);
  if (!entry) entry = output_entry(node.input(i));
  return is_static(entry) ? engine_grid(entry->chain.back()) : std::nullopt;
}

std::optional<EngineGrid> Lowering::output_grid(ValueId value) const {
  const Entry* entry = output_entry(value);
  return is_static(entry) && entry->chain.size() == 1 ? engine_grid(entry->chain[0]) : std::nullopt;
}

const Node* Lowering::only_reader(ValueId value) const {
  const int64_t position = is_tapped(value) ? -1 : uses_.single_reader(value);
  return position < 0 ? nullptr : &graph().nodes[static_cast<size_t>(position)];
}

const Node* Lowering::producer(ValueId value) const {
  const int64_t position = uses_.producer(value);
  return position < 0 ? nullptr : &graph().nodes[static_cast<size_t>(position)];
}

Lowering::Tail Lowering::clamp_tail(ValueId value) const {
  Tail tail{.value = value};
  while (!output_entry(tail.value)) {
    const Node* only = only_reader(tail.value);
    if (!only) return tail;
    const Node& reader = *only;
    const Op* op = find_op(reader.domain, reader.op);
    if (!op || !op->quant.clamp_only || reader.input(0) != tail.value || input_entry(reader, 0)) return tail;
    float lo = -INFINITY, hi = INFINITY;
    if (reader.is("Relu")) {
      lo = 0;
    } else if (reader.is("Clip")) {
      for (size_t i = 1; i <= 2; ++i) {
        if (reader.input(i) == ValueId::none) continue;
        const Tensor* limit = constant(reader.input(i));
        if (!limit || limit->dtype() != DType::f32 || limit->elements() != 1) return tail;
        (i == 1 ? lo : hi) = limit->values<float>()[0];
      }
    } else {
      return tail;
    }
    // Clip computes min(max(x, lo), hi); applied after earlier clamps.
    tail.lo = std::min(std::max(tail.lo, lo), hi);
    tail.hi = std::min(std::max(tail.hi, lo), hi);
    tail.absorbed.push_back(reader.id);
    tail.names += str(" + ", reader.op);
    tail.value = reader.outputs[0];
  }
  return tail;
}

}  // namespace bitwright
