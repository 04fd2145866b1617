#include "runtime/lowering.hpp"

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
    return made;
  }();
  return rules;
}

bool has_nested(const Node& node) {
  for (const auto& [key, attribute] : node.attributes)
    if (std::holds_alternative<std::shared_ptr<Graph>>(attribute)) return true;
  return false;
}

/// Whether an entry changes values beforehand, so that codes or rounded floats exist before the consumer runs.
bool is_static(const Entry* entry) { return entry && entry->when != When::at_run && !entry->chain.empty(); }

}  // namespace

std::vector<const LoweringRule*> lowering_rules(const Node& node) {
  std::vector<const LoweringRule*> rules;
  for (const LoweringRule& rule : all_rules())
    if (rule.op == "*" || (node.domain.empty() && rule.op == node.op)) rules.push_back(&rule);
  return rules;
}

std::optional<EngineGrid> engine_grid(const Grid& grid) {
  if (!grid.format->is_integer || grid.layout.kind != Layout::tensor || !grid.table.empty()) return {};
  if (grid.format->bits > 16 || (!grid.zero.empty() && !is_integer(grid.zero.dtype()))) return {};
  EngineGrid engine;
  engine.scale = grid.scale.empty() ? 1.0f : static_cast<float>(value_as_double(grid.scale, 0));
  engine.zero = grid.zero.empty() ? 0 : static_cast<int32_t>(value_as_int(grid.zero, 0));
  engine.type = grid.format->storage;
  if (grid.format->bits <= 8) {
    engine.type = DType::u8;
    engine.shift = grid.format->is_signed ? 128 : 0;
  }
  engine.zero += engine.shift;
  engine.lo = grid.qmin + engine.shift;
  engine.hi = grid.qmax + engine.shift;
  if (engine.zero < engine.lo || engine.zero > engine.hi) return {};
  return engine;
}

int32_t EngineGrid::code(float x) const {
  const float v = x / scale;
  if (v != v) return zero;
  const float cut = std::min(std::max(v, static_cast<float>(lo - zero)), static_cast<float>(hi - zero));
  return static_cast<int32_t>(std::nearbyint(cut)) + zero;
}

Shape channels_last_shape(const Shape& plain) {
  Shape shape = plain;
  shape.erase(shape.begin() + 1);
  shape.push_back(plain[1]);
  return shape;
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
  for (const Buffer& buffer : plan_.buffers) plan_.dynamic = plan_.dynamic || buffer.kind == Buffer::made;
  for (const auto& step : plan_.steps) plan_.scratch_bytes = std::max(plan_.scratch_bytes, (step->scratch_bytes + 63) / 64 * 64);
}

/// An output of the network. One that is an input too is given back as it came: in a file both are one value, which its
/// consumers quantize.
BufferId Lowering::result(ValueId value) {
  const auto at = producer_.find(value);
  const bool input = at != producer_.end() && at->second.node == kGraphInput;
  return input ? in_order(forms_[value].raw, Order::plain) : value_floats(value);
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
  std::vector<std::string> refusals;
  if (all_known) {
    for (const LoweringRule* rule : lowering_rules(node)) {
      const Reason reason = rule->lower(*this, node);
      if (!reason) return;
      if (!reason->empty()) refusals.push_back(*reason);
    }
  }
  lower_general(*this, node, std::move(refusals));
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

// ---- forms

BufferId Lowering::make(DType type, Shape shape) {
  return plan_.add_buffer(Buffer::arena, Tensor::described(type, std::move(shape)));
}

BufferId Lowering::make_constant(Tensor tensor) { return plan_.add_buffer(Buffer::constant, std::move(tensor)); }

BufferId Lowering::make_unknown() { return plan_.add_buffer(Buffer::made, {}); }

BufferId Lowering::through_chain(BufferId floats, std::span<const Grid> chain) {
  for (const Grid& grid : chain) {
    const Buffer& from = plan_.buffers[static_cast<size_t>(floats)];
    const BufferId to = from.tensor.empty() ? make_unknown() : make(DType::f32, from.tensor.shape());
    add(fake_quantize_step(floats, to, grid));
    floats = to;
  }
  return floats;
}

/// The buffer of an existing form in the wanted order, reordered if it exists in the other one only.
BufferId Lowering::in_order(Form& form, Order order) {
  if (form[order] == kNoBuffer) form[order] = reorder(form[Form::other(order)], Form::other(order), order);
  return form[order];
}

BufferId Lowering::value_floats(ValueId value, Order order) {
  Forms& forms = forms_[value];
  if (forms.floats.exists()) return in_order(forms.floats, order);
  const Entry* entry = output_entry(value);
  if (const Tensor* tensor = constant(value)) {
    forms.floats[Order::plain] = make_constant(*tensor);
  } else if (!is_static(entry)) {
    BW_CHECK(forms.raw.exists());
    forms.floats = forms.raw;
  } else if (!simulated() && known(value) && output_grid(value)) {
    const Order from = forms.codes.exists() ? forms.codes.nearest(order) : forms.raw.nearest(order);
    const BufferId codes = value_codes(value, from);
    const BufferId floats = make(DType::f32, plan_.buffers[static_cast<size_t>(codes)].tensor.shape());
    add(dequantize_step(codes, floats, *output_grid(value)));
    forms_[value].floats[from] = floats;
  } else {
    BW_CHECK(!forms.codes.exists());
    const BufferId raw = in_order(forms.raw, Order::plain);
    forms_[value].floats[Order::plain] = through_chain(raw, entry->chain);
  }
  return in_order(forms_[value].floats, order);
}

BufferId Lowering::reorder(BufferId buffer, Order from, Order to) {
  if (from == to) return buffer;
  const Tensor& source = plan_.buffers[static_cast<size_t>(buffer)].tensor;
  Shape shape = source.shape();
  if (to == Order::channels_last) {
    shape = channels_last_shape(shape);
  } else {
    shape.insert(shape.begin() + 1, shape.back());
    shape.pop_back();
  }
  const BufferId result = make(source.dtype(), shape);
  add(reorder_step(buffer, result, to == Order::channels_last));
  return result;
}

BufferId Lowering::value_codes(ValueId value, Order order) {
  if (!forms_[value].codes.exists()) {
    const auto grid = *output_grid(value);
    const Order from = simulated() ? Order::plain : forms_[value].raw.nearest(order);
    const BufferId values = simulated() ? value_floats(value) : forms_[value].raw[from];
    const BufferId codes = make(grid.type, plan_.buffers[static_cast<size_t>(values)].tensor.shape());
    add(quantize_step(values, codes, grid));
    forms_[value].codes[from] = codes;
  }
  return in_order(forms_[value].codes, order);
}

BufferId Lowering::floats(const Node& node, size_t i, Order order) {
  const Entry* entry = input_entry(node, i);
  if (!is_static(entry)) return value_floats(node.input(i), order);
  Forms& forms = site_forms_[{node.id, Side::input, static_cast<uint16_t>(i)}];
  if (!forms.floats.exists()) {
    const BufferId made = entry->codes.empty() ? through_chain(value_floats(node.input(i)), entry->chain)
                                               : make_constant(*shared(node, str("decoded ", i),
                                                                       [&] { return constant_floats(node, i); }));
    forms.floats[Order::plain] = made;
  }
  return in_order(forms.floats, order);
}

bool Lowering::has_constant(const Node& node, size_t i) const {
  const Entry* entry = input_entry(node, i);
  if (is_static(entry)) return !entry->codes.empty();
  return constant(node.input(i)) && !is_static(output_entry(node.input(i)));
}

Tensor Lowering::constant_floats(const Node& node, size_t i) const {
  const Entry* entry = input_entry(node, i);
  return is_static(entry) ? dequantize(entry->codes, entry->chain.back()) : *constant(node.input(i));
}

BufferId Lowering::codes(const Node& node, size_t i, Order order) {
  const Entry* entry = input_entry(node, i);
  const ValueId value = node.input(i);
  if (!is_static(entry) || (entry->chain.size() == 1 && entry->codes.empty() && output_grid(value) &&
                            output_grid(value) == engine_grid(entry->chain[0])))
    return value_codes(value, order);
  Forms& forms = site_forms_[{node.id, Side::input, static_cast<uint16_t>(i)}];
  if (!forms.codes.exists()) {
    const EngineGrid grid = *engine_grid(entry->chain.back());
    const auto before = std::span(entry->chain).first(entry->chain.size() - 1);
    const BufferId from = entry->codes.empty() ? through_chain(value_floats(value), before)
                                               : make_constant(dequantize(entry->codes, entry->chain.back()));
    const BufferId made = make(grid.type, plan_.buffers[static_cast<size_t>(from)].tensor.shape());
    add(quantize_step(from, made, grid));
    forms.codes[Order::plain] = made;
  }
  return in_order(forms.codes, order);
}

bool Lowering::prefers_channels_last(const Node& node, size_t i) const {
  const auto at = forms_.find(node.input(i));
  if (at == forms_.end()) return false;
  const Forms& forms = at->second;
  for (const Form* form : {&forms.codes, &forms.floats, &forms.raw})
    if (form->exists()) return (*form)[Order::plain] == kNoBuffer;
  return false;
}

void Lowering::define_raw(ValueId value, BufferId buffer, Order order) {
  if (value == ValueId::none) return;
  forms_[value].raw[order] = buffer;
  tap(value);
}

void Lowering::define_floats(ValueId value, BufferId buffer) {
  forms_[value].floats[Order::plain] = buffer;
  tap(value);
}

void Lowering::define_codes(ValueId value, BufferId buffer, Order order) {
  if (simulated()) {  // floats are the truth: codes last only inside a step's neighbourhood
    const BufferId plain = reorder(buffer, order, Order::plain);
    const BufferId to = make(DType::f32, known(value)->shape());
    add(dequantize_step(plain, to, *output_grid(value)));
    forms_[value].floats[Order::plain] = to;
  } else {
    forms_[value].codes[order] = buffer;
  }
  tap(value);
}

namespace {

class TapStep : public Step {
 public:
  TapStep(ValueId value, BufferId buffer) : value_(value), buffer_(buffer) {
    info.kernel = "tap";
    reads = {buffer};
  }
  void run(StepContext& context) const override {
    if (context.tap()) context.tap()(value_, context.at(buffer_));
  }

 private:
  ValueId value_;
  BufferId buffer_;
};

}  // namespace

void Lowering::tap(ValueId value) {
  if (is_tapped(value)) add(std::make_unique<TapStep>(value, value_floats(value)));
}

Lowering::Tail Lowering::clamp_tail(ValueId value) const {
  Tail tail{.value = value};
  while (!output_entry(tail.value)) {
    const int64_t position = is_tapped(tail.value) ? -1 : uses_.single_reader(tail.value);
    if (position < 0) return tail;
    const Node& reader = graph().nodes[static_cast<size_t>(position)];
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
