// Operators that only move values: Reshape, Transpose, Slice, Split, Gather, nearest Resize, Pad, Concat and their like, of codes
// whose grids agree and of floats. Most become views (runtime/view.hpp) and have no step at all; Concat and a Pad that writes a
// value of its own are one copy. What chooses by contents, and all of the simulated target, runs the operator itself.
#include <algorithm>

#include "ops/places.hpp"
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

bool writes_a_constant(const Node& node) { return node.is("Pad") && node.attr_string("mode", "constant") == "constant"; }

size_t normal(int64_t axis, size_t rank) { return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis); }

/// What an operator sees of its inputs before it runs: shapes, and contents that are constant.
std::vector<Tensor> known_inputs(const Lowering& lowering, const Node& node) {
  std::vector<Tensor> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(id == ValueId::none ? Tensor() : *lowering.known(id));
  return inputs;
}

MemoryView taken(MemoryView view, const Places& places) {
  for (size_t d = 0; d < places.size(); ++d)
    if (!places[d].empty()) view = view.taken(d, places[d]);
  return view;
}

std::optional<MemoryView> transposed(const Node& node, const MemoryView& x) {
  const size_t rank = x.shape().size();
  std::vector<int64_t> perm = node.attr_ints("perm");
  if (perm.empty())
    for (size_t d = rank; d-- > 0;) perm.push_back(static_cast<int64_t>(d));
  for (int64_t& axis : perm) axis = static_cast<int64_t>(normal(axis, rank));
  return x.permuted(perm);
}

std::optional<MemoryView> gathered(const Lowering& lowering, const Node& node, const MemoryView& x, const Shape& y) {
  const Tensor* index = lowering.constant(node.input(1));
  if (!index) return {};
  const size_t axis = normal(node.attr_int("axis", 0), x.shape().size());
  std::vector<int64_t> places = values_as_int(*index);
  for (int64_t& place : places) {
    if (place < 0) place += x.shape()[axis];
    if (place < 0 || place >= x.shape()[axis]) return {};  // the operator says what is wrong
  }
  return x.taken(axis, places).reshaped(y);
}

std::optional<MemoryView> expanded(const MemoryView& x, const Shape& y) {
  Shape padded = x.shape();
  padded.insert(padded.begin(), y.size() - padded.size(), 1);
  std::optional<MemoryView> view = x.reshaped(padded);
  for (size_t d = 0; d < y.size(); ++d)
    if (padded[d] != y[d]) view = view->repeated(d, y[d]);
  return view;
}

std::optional<MemoryView> tiled(const MemoryView& x, const Shape& y) {
  Shape split;
  for (const int64_t extent : x.shape()) split.insert(split.end(), {1, extent});
  std::optional<MemoryView> view = x.reshaped(split);
  for (size_t d = 0; d < y.size(); ++d) view = view->repeated(2 * d, y[d] / x.shape()[d]);
  return view->reshaped(y);
}

/// The axes split as `split` says, permuted and joined to the shape `y`.
std::optional<MemoryView> blocked(const MemoryView& x, const Shape& split, const std::vector<int64_t>& perm, const Shape& y) {
  const std::optional<MemoryView> view = x.reshaped(split);
  return view ? view->permuted(perm).reshaped(y) : std::nullopt;
}

std::optional<MemoryView> blocks_moved(const Node& node, const MemoryView& x, const Shape& y) {
  const int64_t b = node.attr_int("blocksize", 1), n = y[0], c = y[1], h = y[2], w = y[3];
  if (node.is("SpaceToDepth"))
    return blocked(x, {n, c / (b * b), h, b, w, b}, {0, 3, 5, 1, 2, 4}, y);
  if (node.attr_string("mode", "DCR") == "CRD") return blocked(x, {n, c, b, b, h / b, w / b}, {0, 1, 4, 2, 5, 3}, y);
  return blocked(x, {n, b, b, c, h / b, w / b}, {0, 3, 4, 1, 5, 2}, y);
}

/// What output i of the node is of its first input x; nothing where that is no view of it.
std::optional<MemoryView> view_of_output(const Lowering& lowering, const Node& node, size_t i, const MemoryView& x) {
  const Shape& y = lowering.known(node.outputs[i])->shape();
  if (keeps_order(node)) return x.reshaped(y);
  if (node.is("Transpose")) return transposed(node, x);
  if (node.is("Gather")) return gathered(lowering, node, x, y);
  if (node.is("Expand")) return expanded(x, y);
  if (node.is("Tile")) return tiled(x, y);
  if (node.is("DepthToSpace") || node.is("SpaceToDepth")) return blocks_moved(node, x, y);
  const std::vector<Tensor> inputs = known_inputs(lowering, node);
  const OpContext context(node, inputs, true);
  try {
    if (node.is("Slice")) return taken(x, slice_places(context));
    if (node.is("Split")) return taken(x, split_places(context, i));
    if (node.is("Pad")) return taken(x, pad_places(context));
    if (node.is("Resize")) return taken(x, resize_places(context));
  } catch (const DataNeeded&) {
  }
  return {};
}

/// The values that a rule moves: codes on one grid, or floats (whatever type the value has).
class Moving {
 public:
  Moving(Lowering& lowering, const Node& node, const EngineGrid* grid) : lowering_(lowering), node_(node), grid_(grid) {}

  bool by_views();

 private:
  std::optional<Seen> seen(size_t i) { return grid_ ? lowering_.seen_codes(node_, i) : lowering_.seen_floats(node_, i); }
  void define(size_t i, Seen seen) {
    if (node_.outputs[i] == ValueId::none) return;
    grid_ ? lowering_.define_codes(node_.outputs[i], std::move(seen)) : lowering_.define_raw(node_.outputs[i], std::move(seen));
  }
  bool outputs_have_elements() const;
  bool views();
  bool join();
  bool pad();
  bool fill_of(std::vector<uint8_t>& fill) const;
  /// A new buffer for a value of this shape, and all of it as a view with plain axes.
  Seen make(DType type, const Shape& shape, bool channels_last);
  void copy(const std::vector<Placed>& parts, const Seen& to, std::vector<uint8_t> fill);

  Lowering& lowering_;
  const Node& node_;
  const EngineGrid* grid_;
};

bool Moving::outputs_have_elements() const {
  return std::all_of(node_.outputs.begin(), node_.outputs.end(),
                     [&](ValueId id) { return id == ValueId::none || lowering_.known(id)->elements() > 0; });
}

bool Moving::by_views() {
  if (!outputs_have_elements()) return false;
  if (node_.is("Concat")) return join();
  return writes_a_constant(node_) ? pad() : views();
}

bool Moving::views() {
  std::optional<Seen> x = seen(0);
  if (!x) return false;
  std::vector<std::optional<MemoryView>> made;
  for (size_t i = 0; i < node_.outputs.size(); ++i) {
    if (node_.outputs[i] == ValueId::none || (node_.is("Dropout") && i > 0)) return false;
    made.push_back(view_of_output(lowering_, node_, i, x->view));
    if (!made.back() && keeps_order(node_)) {
      x = lowering_.together(*x);
      made.back() = view_of_output(lowering_, node_, i, x->view);
    }
    if (!made.back()) return false;
  }
  for (size_t i = 0; i < made.size(); ++i) define(i, {x->buffer, *made[i]});
  return true;
}

Seen Moving::make(DType type, const Shape& shape, bool channels_last) {
  const Order order = channels_last ? Order::channels_last : Order::plain;
  return lowering_.make_seen(type, shape, order);
}

void Moving::copy(const std::vector<Placed>& parts, const Seen& to, std::vector<uint8_t> fill) {
  const DType type = lowering_.described(to.buffer).dtype();
  auto step = move_step(parts, to.buffer, bits_of(type) / 8, lowering_.isa(), std::move(fill));
  step->info.node = node_.id;
  step->info.name = display_name(node_);
  lowering_.add(std::move(step));
}

bool Moving::join() {
  const Shape& shape = lowering_.known(node_.output())->shape();
  const size_t axis = normal(node_.attr_int("axis", 1), shape.size());
  bool channels_last = false;
  DType type = DType::none;
  for (size_t i = 0; i < node_.inputs.size(); ++i) {
    const auto x = seen(i);
    if (!x) return false;
    channels_last = channels_last || x->view.runs_along_channels();
    type = lowering_.described(x->buffer).dtype();
  }
  const Seen to = make(type, shape, channels_last);
  const Shape strides = to.view.strides();
  std::vector<Placed> parts;
  for (size_t i = 0, begin = 0; i < node_.inputs.size(); ++i) {
    const auto first = static_cast<int64_t>(begin), extent = lowering_.known(node_.input(i))->shape()[axis];
    const Seen place{to.buffer, to.view.part(axis, first, extent)};
    if (!(grid_ && channels_last && axis == 1 && lowering_.write_codes_into(node_, i, place)))
      parts.push_back({*seen(i), strides, first * strides[axis]});
    begin += static_cast<size_t>(extent);
  }
  if (!parts.empty()) copy(parts, to, {});
  define(0, to);
  return true;
}

/// One element of what Pad writes; false where it is not constant.
bool Moving::fill_of(std::vector<uint8_t>& fill) const {
  const Tensor* value = node_.input(2) == ValueId::none ? nullptr : lowering_.constant(node_.input(2));
  if (node_.input(2) != ValueId::none && !value) return false;
  Tensor element = value ? *value : Tensor(grid_ ? DType::f32 : lowering_.known(node_.output())->dtype(), {});
  if (grid_) {
    if (element.dtype() != DType::f32) return false;
    const auto code = static_cast<float>(grid_->code(element.values<float>()[0]));
    element = Tensor(grid_->type, {});
    dispatch(grid_->type, [&]<class T>(T*) { element.values<T>()[0] = static_cast<T>(code); });
  }
  if (element.elements() != 1 || (!grid_ && element.dtype() != lowering_.known(node_.output())->dtype())) return false;
  const auto* bytes = reinterpret_cast<const uint8_t*>(element.raw());
  fill.assign(bytes, bytes + element.bytes());
  return true;
}

bool Moving::pad() {
  const std::vector<Tensor> inputs = known_inputs(lowering_, node_);
  Places places;
  try {
    places = pad_places(OpContext(node_, inputs, true));
  } catch (const DataNeeded&) {
    return false;
  }
  std::vector<uint8_t> fill;
  auto x = seen(0);
  if (!x || !fill_of(fill)) return false;
  const Seen to = make(lowering_.described(x->buffer).dtype(), lowering_.known(node_.output())->shape(), x->view.runs_along_channels());
  Placed part{*x, to.view.strides(), 0};
  for (size_t d = 0; d < places.size(); ++d) {
    const auto inside = [](int64_t place) { return place >= 0; };
    const auto first = std::find_if(places[d].begin(), places[d].end(), inside);
    const std::vector<int64_t> taken(first, std::find_if_not(first, places[d].end(), inside));
    if (taken.empty()) return false;
    part.from.view = part.from.view.taken(d, taken);
    part.offset += (first - places[d].begin()) * part.strides[d];
  }
  copy({part}, to, std::move(fill));
  define(0, to);
  return true;
}

bool takes_codes(const Node& node, size_t input) { return node.op == "Concat" || input == 0; }

/// Pad writes a value of its own: it becomes a code.
Reason pad_value(Lowering& lowering, const Node& node, const EngineGrid& grid, BufferId& buffer) {
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

/// The operator itself, on codes in plain order.
Reason by_operator(Lowering& lowering, Node node, const EngineGrid& grid) {
  if (node.is("Pad")) node.inputs.resize(std::max<size_t>(node.inputs.size(), 3), ValueId::none);
  std::vector<BufferId> inputs, outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i)
    inputs.push_back(node.inputs[i] == ValueId::none ? kNoBuffer
                     : takes_codes(node, i)          ? lowering.codes(node, i, Order::plain)
                                                     : lowering.floats(node, i));
  if (writes_a_constant(node))
    if (const Reason reason = pad_value(lowering, node, grid, inputs[2])) return reason;
  for (const ValueId id : node.outputs)
    outputs.push_back(lowering.make(grid.type, lowering.known(id == ValueId::none ? node.output() : id)->shape()));
  auto step = operator_step(node, inputs, outputs);
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str(node.op, " of codes");
  lowering.add(std::move(step));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (node.outputs[i] != ValueId::none) lowering.define_codes(node.outputs[i], outputs[i], Order::plain);
  return {};
}

Reason lower_codes(Lowering& lowering, const Node& node) {
  if (!moves_values(node)) return "";
  const std::optional<EngineGrid> grid = lowering.input_grid(node, 0);
  if (!grid) return "";
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (takes_codes(node, i) && lowering.input_grid(node, i) != grid) return "inputs have different grids";
  for (const ValueId id : node.outputs)
    if (id != ValueId::none && lowering.output_grid(id) != grid) return "input and result have different grids";
  if (!lowering.simulated() && Moving(lowering, node, &*grid).by_views()) return {};
  return by_operator(lowering, node, *grid);
}

Reason lower_floats(Lowering& lowering, const Node& node) {
  if (!moves_values(node) || lowering.simulated()) return "";
  return Moving(lowering, node, nullptr).by_views() ? Reason() : "";
}

const LoweringRule kRules[] = {{"*", lower_codes}, {"*", lower_floats, Stage::floats}};

}  // namespace

std::span<const LoweringRule> lowerings_movement() { return kRules; }

}  // namespace bitwright
