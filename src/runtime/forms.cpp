// The forms of values: raw, floats and codes, plain and channels last. Rules ask for the one that they want; what does not exist
// yet is converted here, once, and shared. Taps see the floats.
#include "runtime/lowering.hpp"

namespace bitwright {

Shape channels_last_shape(const Shape& plain) {
  Shape shape = plain;
  shape.erase(shape.begin() + 1);
  shape.push_back(plain[1]);
  return shape;
}

BufferId Lowering::make(DType type, Shape shape) {
  return plan_.add_buffer(Buffer::arena, Tensor::described(type, std::move(shape)));
}

BufferId Lowering::make_constant(Tensor tensor) { return plan_.add_buffer(Buffer::constant, std::move(tensor)); }

BufferId Lowering::make_unknown() { return plan_.add_buffer(Buffer::made, {}); }

/// A buffer of floats with the shape of another one.
BufferId Lowering::make_like(BufferId floats) {
  const Tensor& values = plan_.buffers[static_cast<size_t>(floats)].tensor;
  return values.empty() ? make_unknown() : make(DType::f32, values.shape());
}

BufferId Lowering::through_chain(BufferId floats, std::span<const Grid> chain) {
  for (const Grid& grid : chain) {
    const BufferId to = make_like(floats);
    add(fake_quantize_step(floats, to, grid));
    floats = to;
  }
  return floats;
}

BufferId Lowering::through_run_time_grid(ValueId value, bool per_row, Order order) {
  Form& form = run_time_forms_[{value, per_row}];
  if (!form.exists()) {
    const BufferId from = value_floats(value);
    form[Order::plain] = make_like(from);
    add(fake_quantize_at_run_step(from, form[Order::plain], per_row, simulated() ? Isa::ref : options_.isa));
  }
  return in_order(form, order);
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

BufferId Lowering::quantized(BufferId floats, const EngineGrid& grid) {
  const Tensor& values = plan_.buffers[static_cast<size_t>(floats)].tensor;
  if (values.dtype() != DType::f32)
    fail(ErrorCode::unsupported, "values of type ", name_of(values.dtype()), " cannot be quantized, only float32 can");
  const BufferId codes = make(grid.type, values.shape());
  add(quantize_step(floats, codes, grid));
  return codes;
}

BufferId Lowering::value_codes(ValueId value, Order order) {
  if (!forms_[value].codes.exists()) {
    const auto grid = *output_grid(value);
    const Order from = simulated() ? Order::plain : forms_[value].raw.nearest(order);
    const BufferId values = simulated() ? value_floats(value) : forms_[value].raw[from];
    const BufferId codes = quantized(values, grid);
    forms_[value].codes[from] = codes;
  }
  return in_order(forms_[value].codes, order);
}

BufferId Lowering::floats(const Node& node, size_t i, Order order) {
  const Entry* entry = input_entry(node, i);
  if (is_at_run(entry)) return through_run_time_grid(node.input(i), entry->per_row, order);
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
  return !is_at_run(entry) && constant(node.input(i)) && !is_static(output_entry(node.input(i)));
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
    forms.codes[Order::plain] = quantized(from, grid);
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

}  // namespace bitwright
