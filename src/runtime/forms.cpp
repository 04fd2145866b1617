// The forms of values: raw, floats and codes, plain, channels last or somewhere in another buffer. Rules ask for the one that
// they want; what does not exist yet is converted here, once, and shared. Taps see the floats.
#include <algorithm>

#include "runtime/lowering.hpp"

namespace bitwright {

Shape channels_last_shape(const Shape& plain) {
  Shape shape = plain;
  std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return shape;
}

BufferId Lowering::make(DType type, Shape shape) {
  return plan_.add_buffer(Buffer::arena, Tensor::described(type, std::move(shape)));
}

BufferId Lowering::make_constant(Tensor tensor) { return plan_.add_buffer(Buffer::constant, std::move(tensor)); }

BufferId Lowering::make_unknown() { return plan_.add_buffer(Buffer::made, {}); }

/// A buffer of floats with the shape of another one.
BufferId Lowering::make_like(BufferId floats) {
  const Tensor& values = described(floats);
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

BufferId Lowering::quantized(BufferId floats, const EngineGrid& grid) {
  const Tensor& values = described(floats);
  if (values.dtype() != DType::f32)
    fail(ErrorCode::unsupported, "values of type ", name_of(values.dtype()), " cannot be quantized, only float32 can");
  const BufferId codes = make(grid.type, values.shape());
  add(quantize_step(floats, codes, grid));
  return codes;
}

/// Of plain floats, channels last.
BufferId Lowering::quantized_pixels(BufferId floats, const EngineGrid& grid) {
  const Shape plain = described(floats).shape();
  const BufferId codes = make(grid.type, channels_last_shape(plain));
  add(quantize_pixels_step(floats, codes, grid, plain, isa()));
  return codes;
}

// ---- of values

Lowering::Form& Lowering::floats_form(ValueId value, Order order) {
  Forms& forms = forms_[value];
  if (forms.floats.exists()) return forms.floats;
  const Entry* entry = output_entry(value);
  if (const Tensor* tensor = constant(value)) {
    forms.floats[Order::plain] = make_constant(*tensor);
  } else if (!is_static(entry)) {
    BW_CHECK(forms.raw.exists());
    forms.floats = forms.raw;
  } else if (!simulated() && known(value) && output_grid(value)) {
    const BufferId codes = in_order(codes_form(value, order), order);  // codes are cheaper to reorder than floats
    forms.floats[order] = make(DType::f32, described(codes).shape());
    add(dequantize_step(codes, forms.floats[order], *output_grid(value)));
  } else {
    BW_CHECK(!forms.codes.exists());
    forms.floats[Order::plain] = through_chain(in_order(forms.raw, Order::plain), entry->chain);
  }
  return forms.floats;
}

Lowering::Form& Lowering::codes_form(ValueId value, Order order) {
  Forms& forms = forms_[value];
  if (!forms.codes.exists()) {
    const Order from = simulated() ? Order::plain : forms.raw.nearest(order);
    const BufferId values = simulated() ? value_floats(value) : in_order(forms.raw, from);
    const Tensor& plain = described(values);
    if (!simulated() && from != order && order == Order::channels_last && plain.rank() >= 3 && plain.dtype() == DType::f32 && plain.elements() > 0)
      forms.codes[order] = quantized_pixels(values, *output_grid(value));
    else
      forms.codes[from] = quantized(values, *output_grid(value));
  }
  return forms.codes;
}

Lowering::Form& Lowering::run_time_form(ValueId value, bool per_row) {
  Form& form = run_time_forms_[{value, per_row}];
  if (!form.exists()) {
    const BufferId from = value_floats(value);
    form[Order::plain] = make_like(from);
    add(fake_quantize_at_run_step(from, form[Order::plain], per_row, isa()));
  }
  return form;
}

// ---- of a node's inputs

Lowering::Form& Lowering::floats_form(const Node& node, size_t i, Order order) {
  const Entry* entry = input_entry(node, i);
  if (is_at_run(entry)) return run_time_form(node.input(i), entry->per_row);
  if (!is_static(entry)) return floats_form(node.input(i), order);
  Form& floats = site_forms_[{node.id, Side::input, static_cast<uint16_t>(i)}].floats;
  if (!floats.exists())
    floats[Order::plain] = entry->codes.empty() ? through_chain(value_floats(node.input(i)), entry->chain)
                                                : make_constant(*shared(node, str("decoded ", i), [&] { return constant_floats(node, i); }));
  return floats;
}

Lowering::Form& Lowering::codes_form(const Node& node, size_t i, Order order) {
  const Entry* entry = input_entry(node, i);
  const ValueId value = node.input(i);
  if (!is_static(entry) || (entry->chain.size() == 1 && entry->codes.empty() && output_grid(value) &&
                            output_grid(value) == engine_grid(entry->chain[0])))
    return codes_form(value, order);
  Form& codes = site_forms_[{node.id, Side::input, static_cast<uint16_t>(i)}].codes;
  if (!codes.exists()) {
    const EngineGrid grid = *engine_grid(entry->chain.back());
    const auto before = std::span(entry->chain).first(entry->chain.size() - 1);
    const BufferId from = entry->codes.empty() ? through_chain(value_floats(value), before)
                                               : make_constant(dequantize(entry->codes, entry->chain.back()));
    codes[Order::plain] = quantized(from, grid);
  }
  return codes;
}

BufferId Lowering::floats(const Node& node, size_t i, Order order) { return in_order(floats_form(node, i, order), order); }
BufferId Lowering::codes(const Node& node, size_t i, Order order) { return in_order(codes_form(node, i, order), order); }
std::optional<Seen> Lowering::seen_floats(const Node& node, size_t i) { return seen(floats_form(node, i, Order::plain)); }
std::optional<Seen> Lowering::seen_codes(const Node& node, size_t i) { return seen(codes_form(node, i, Order::plain)); }

bool Lowering::has_constant(const Node& node, size_t i) const {
  const Entry* entry = input_entry(node, i);
  if (is_static(entry)) return !entry->codes.empty();
  return !is_at_run(entry) && constant(node.input(i)) && !is_static(output_entry(node.input(i)));
}

Tensor Lowering::constant_floats(const Node& node, size_t i) const {
  const Entry* entry = input_entry(node, i);
  return is_static(entry) ? dequantize(entry->codes, entry->chain.back()) : *constant(node.input(i));
}

bool Lowering::prefers_channels_last(const Node& node, size_t i) const {
  const auto at = forms_.find(node.input(i));
  if (at == forms_.end()) return false;
  const Forms& forms = at->second;
  for (const Form* form : {&forms.codes, &forms.floats, &forms.raw})
    if (form->exists()) return form->nearest(Order::plain) == Order::channels_last;
  return false;
}

// ---- what a rule makes

void Lowering::define_raw(ValueId value, BufferId buffer, Order order) {
  if (value == ValueId::none) return;
  forms_[value].raw[order] = buffer;
  tap(value);
}

void Lowering::define_raw(ValueId value, Seen seen) {
  forms_[value].raw.seen = std::make_shared<const Seen>(std::move(seen));
  tap(value);
}

void Lowering::define_floats(ValueId value, BufferId buffer) {
  forms_[value].floats[Order::plain] = buffer;
  tap(value);
}

void Lowering::define_codes(ValueId value, BufferId buffer, Order order) {
  Forms& forms = forms_[value];
  forms.codes[order] = buffer;
  if (simulated()) {  // floats are the truth: codes last only inside a step's neighbourhood
    const BufferId plain = in_order(forms.codes, Order::plain);
    forms.floats[Order::plain] = make(DType::f32, known(value)->shape());
    add(dequantize_step(plain, forms.floats[Order::plain], *output_grid(value)));
    forms.codes = {};
  }
  tap(value);
}

void Lowering::define_codes(ValueId value, Seen seen) {
  forms_[value].codes.seen = std::make_shared<const Seen>(std::move(seen));
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
  if (!is_tapped(value)) return;
  Form& floats = floats_form(value, Order::plain);
  const Order order = options_.taps_as_made ? floats.nearest(Order::plain) : Order::plain;
  add(std::make_unique<TapStep>(value, in_order(floats, order)));
}

}  // namespace bitwright
