#include "passes/fold_nodes.hpp"

#include <algorithm>

#include "ops/op.hpp"
#include "quant/pack.hpp"

namespace bitwright {
namespace {

bool is_microsoft_or_standard(const Node& node) { return node.domain.empty() || node.domain == "com.microsoft"; }

const Tensor* scalar(const Graph& graph, ValueId id) {
  const Tensor* tensor = graph.constant(id);
  return tensor && tensor->elements() == 1 ? tensor : nullptr;
}

// ---- QLinearConv, QLinearMatMul

ValueId dequantized(Rewriter& r, ValueId codes, ValueId scale, ValueId zero, std::optional<int64_t> axis,
                    const std::string& name) {
  const ValueId result = r.add_value(name, DType::f32);
  Node& dq = r.add("DequantizeLinear", {codes, scale, zero}, {result}, name + "_DequantizeLinear");
  if (zero == ValueId::none) dq.inputs.pop_back();
  if (axis) dq.attributes["axis"] = *axis;
  return result;
}

bool is_vector(const Graph& graph, ValueId id) {
  const Tensor* tensor = graph.constant(id);
  return tensor && tensor->elements() > 1;
}

/// QLinearConv: x, xs, xz, w, ws, wz, ys, yz, bias. QLinearMatMul: a, as, az, b, bs, bz, ys, yz.
void lift_qlinear(Rewriter& r, const Node& given, FoldReport& report) {
  const Node node = given;
  const Graph& g = r.graph();
  const bool conv = node.op == "QLinearConv";
  for (const size_t i : {1, 2, 4, 5, 6, 7})
    if (!g.constant(node.input(i))) {
      report.kept.push_back(str(display_name(node), ": input ", i, " is not constant"));
      return;
    }
  const bool fits = scalar(g, node.input(1)) && scalar(g, node.input(6)) &&
                    g.constant(node.input(1))->dtype() == DType::f32 && g.constant(node.input(4))->dtype() == DType::f32;
  if (!fits) {
    report.kept.push_back(str(display_name(node), ": its scales are not float32, one per tensor"));
    return;
  }
  const std::string stem = node.name.empty() ? g.value(node.output()).name : node.name;
  const ValueId x = dequantized(r, node.input(0), node.input(1), node.input(2), {}, stem + "_x");
  const auto axis = is_vector(g, node.input(4)) ? std::optional<int64_t>(conv ? 0 : -1) : std::nullopt;
  const ValueId w = dequantized(r, node.input(3), node.input(4), node.input(5), axis, stem + "_w");
  std::vector<ValueId> inputs = {x, w};
  if (conv && node.input(8) != ValueId::none) {
    const float sx = static_cast<float>(value_as_double(*g.constant(node.input(1)), 0));
    Tensor scale = g.constant(node.input(4))->clone();
    for (float& s : scale.values<float>()) s *= sx;
    const auto bias_axis = scale.elements() > 1 ? std::optional<int64_t>(0) : std::nullopt;
    inputs.push_back(dequantized(r, node.input(8), r.add_constant(stem + "_bias_scale", scale), ValueId::none, bias_axis,
                                 stem + "_bias"));
  }
  const ValueId y = r.add_value(stem + "_y", DType::f32);
  Node& made = r.add(conv ? "Conv" : "MatMul", inputs, {y}, node.name);
  made.attributes = node.attributes;
  r.erase(node.id);
  r.add("QuantizeLinear", {y, node.input(6), node.input(7)}, {node.output()}, stem + "_QuantizeLinear");
}

// ---- data movement on codes

/// Operators whose output elements are input elements; their data input is input 0 (Concat: all).
bool moves_data(const Node& node) {
  static const std::set<std::string, std::less<>> kMoves = {
      "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth",
      "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"};
  return node.domain.empty() && kMoves.count(node.op) != 0;
}

void copy_shape(Graph& g, ValueId from, ValueId to) {
  g.value(to).has_shape = g.value(from).has_shape;
  g.value(to).shape = g.value(from).shape;
}

/// Q -> move -> ... becomes Q -> DQ -> move -> Q -> ...: exact, because quantizing what lies on the grid changes nothing.
void lift_movement(Rewriter& r, const Node& given) {
  const Graph& g = r.graph();
  const size_t count = given.op == "Concat" ? given.inputs.size() : 1;
  std::vector<Node> quantizers;
  std::optional<Grid> grid;
  for (size_t i = 0; i < count; ++i) {
    const Node* q = r.producer(given.input(i));
    std::string unused;
    const auto own = q && is_quantize(*q) ? grid_of(g, *q, DType::none, &unused) : std::nullopt;
    if (!own || own->layout.kind != Layout::tensor || (grid && !same_grid(*grid, *own))) return;
    grid = own;
    quantizers.push_back(*q);
  }
  if (quantizers.empty()) return;
  const Node node = given;
  const ValueId scale = quantizers[0].input(1), zero = quantizers[0].input(2);
  for (size_t i = 0; i < count; ++i) {  // adding nodes moves nodes: the reader is looked up afterwards
    const ValueId real = dequantized(r, node.input(i), scale, zero, {}, g.value(node.input(i)).name + "_real");
    r.set_input(*r.node(node.id), i, real);
  }
  const size_t outputs = node.op == "Split" ? node.outputs.size() : 1;
  for (size_t i = 0; i < outputs; ++i) {
    if (node.outputs[i] == ValueId::none) continue;
    const std::string name = g.value(node.outputs[i]).name;
    const ValueId real = r.add_value(name + "_real", DType::f32);
    copy_shape(r.graph(), node.outputs[i], real);
    r.node(node.id)->outputs[i] = real;
    Node& q = r.add("QuantizeLinear", {real, scale, zero}, {node.outputs[i]}, name + "_QuantizeLinear");
    if (zero == ValueId::none) q.inputs.pop_back();
  }
}

// ---- run-time quantization: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul

struct DynamicMatch {
  NodeId integer, cast, multiply, scales;
  ValueId x, codes, zero, result;
  Tensor scale;  // of the weights
};

/// The scale of the weights where `product` is Mul(dynamic scale, constant), in either order.
const Tensor* weight_scale(Rewriter& r, ValueId product, ValueId dynamic_scale) {
  const Node* mul = r.producer(product);
  if (!mul || !mul->is("Mul")) return nullptr;
  if (mul->input(0) == dynamic_scale) return r.graph().constant(mul->input(1));
  return mul->input(1) == dynamic_scale ? r.graph().constant(mul->input(0)) : nullptr;
}

std::optional<DynamicMatch> match_dynamic(Rewriter& r, const Node& node, std::string* why) {
  const Node* quantize = r.producer(node.input(0));
  if (!quantize || !quantize->is("DynamicQuantizeLinear") || node.input(0) != quantize->output(0) ||
      node.input(2) != quantize->output(2))
    return *why = "its activation does not come from DynamicQuantizeLinear", std::nullopt;
  if (!r.graph().constant(node.input(1)) ||
      (node.input(3) != ValueId::none && !r.graph().constant(node.input(3))))
    return *why = "its weights are not constant", std::nullopt;
  const Node* cast = r.single_reader(node.output());
  const Node* mul = cast && cast->is("Cast") && cast->attr_int("to", 1) == 1 ? r.single_reader(cast->output()) : nullptr;
  if (!mul || !mul->is("Mul")) return *why = "no Cast and Mul by the scales follow", std::nullopt;
  const ValueId other = mul->input(mul->input(0) == cast->output() ? 1 : 0);
  const Tensor* scale = weight_scale(r, other, quantize->output(1));
  if (!scale || scale->dtype() != DType::f32) return *why = "no Cast and Mul by the scales follow", std::nullopt;
  return DynamicMatch{node.id, cast->id, mul->id, r.producer(other)->id, quantize->input(0), node.input(1), node.input(3), mul->output(), *scale};
}

/// The grid of the weights of ConvInteger (axis 0, scale [M,1,1]) or MatMulInteger (last axis, scale [N]).
std::optional<Grid> dynamic_weight_grid(const Graph& g, const DynamicMatch& m, bool conv) {
  const Tensor& codes = *g.constant(m.codes);
  const Format* format = format_of(codes.dtype());
  const Tensor* zero = m.zero == ValueId::none ? nullptr : g.constant(m.zero);
  if (!format || !format->is_integer || codes.rank() < (conv ? 3 : 1) || (zero && zero->dtype() != codes.dtype())) return {};
  Grid grid{format, format->code_min, format->code_max, {}, m.scale, {}, {}};
  const int axis = conv ? 0 : static_cast<int>(codes.rank()) - 1;
  const int64_t channels = codes.dim(axis);
  if (m.scale.elements() != 1) {
    const Shape& s = m.scale.shape();
    const size_t at = conv ? (s.size() == static_cast<size_t>(codes.rank()) ? 1 : 0) : s.size() - 1;
    const bool rank_fits = !conv || s.size() + 1 >= static_cast<size_t>(codes.rank());
    if (m.scale.elements() != channels || s[at] != channels || !rank_fits) return {};
    grid.layout = {Layout::channel, axis, 0};
    grid.scale = m.scale.reshaped({channels});
  }
  if (!zero) return grid;
  const int64_t zeros = zero->elements();
  if (zeros != 1 && (zeros != channels || grid.layout.kind == Layout::tensor)) return {};
  grid.zero = *zero;
  if (zeros == 1 && grid.layout.kind == Layout::channel) {
    const std::vector<int32_t> all(static_cast<size_t>(channels), static_cast<int32_t>(value_as_int(*zero, 0)));
    grid.zero = zero_tensor(*format, {channels}, all);
  } else if (zeros == channels && grid.layout.kind == Layout::channel) {
    grid.zero = zero->reshaped({channels});
  }
  return grid;
}

/// [-1,1,1] or [1,-1,1,1]: a vector spread along the channels of a convolution with weights of this rank.
bool is_channel_shape(const Tensor* shape, int64_t rank) {
  if (!shape) return false;
  auto dims = values_as_int(*shape);
  if (static_cast<int64_t>(dims.size()) == rank && dims[0] == 1) dims.erase(dims.begin());
  return static_cast<int64_t>(dims.size()) == rank - 1 && std::all_of(dims.begin() + 1, dims.end(), [](int64_t d) { return d == 1; });
}

/// Conv -> Add of a bias [M,1,1] (ConvInteger has no bias of its own).
void absorb_bias(Rewriter& r, NodeId conv) {
  const ValueId sum = r.node(conv)->output();
  const Node* add = r.single_reader(sum);
  if (!add || !add->is("Add")) return;
  const ValueId other = add->input(add->input(0) == sum ? 1 : 0);
  const Node* reshape = r.producer(other);
  const Tensor* w = r.graph().constant(r.node(conv)->input(1));
  const Tensor* bias = r.graph().constant(reshape && reshape->is("Reshape") ? reshape->input(0) : other);
  const int64_t channels = w->dim(0), rank = w->rank();
  if (!bias || bias->dtype() != DType::f32 || bias->elements() != channels || bias->rank() > rank || sum == other) return;
  if (!reshape && (bias->rank() < rank - 1 || bias->dim(1 - rank) != channels)) return;
  if (reshape && !is_channel_shape(r.graph().constant(reshape->input(1)), rank)) return;
  const ValueId vector = reshape ? reshape->input(0) : r.add_constant(r.graph().value(other).name, bias->reshaped({channels}));
  const ValueId result = add->output();
  if (reshape && r.single_reader(other)) r.erase(reshape->id);
  r.erase(add->id);
  r.set_input(*r.node(conv), 2, vector);
  r.node(conv)->outputs[0] = result;
}

/// Codes of `w` are called w_quantized, here and by other tools.
std::string name_without_suffix(const std::string& codes) {
  constexpr std::string_view kSuffix = "_quantized";
  const bool has = codes.size() > kSuffix.size() && codes.compare(codes.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
  return has ? codes.substr(0, codes.size() - kSuffix.size()) : codes + "_real";
}

void lift_dynamic(Rewriter& r, const Node& given, FoldReport& report) {
  const Node node = given;
  std::string why;
  const auto match = match_dynamic(r, node, &why);
  const bool conv = node.op == "ConvInteger";
  const auto grid = match ? dynamic_weight_grid(r.graph(), *match, conv) : std::nullopt;
  if (!grid) {
    report.kept.push_back(str(display_name(node), ": ", match ? "the scales of its weights have another layout" : why));
    return;
  }
  const Tensor codes = *r.graph().constant(match->codes);
  try {
    verify(*grid, codes.shape());
  } catch (const Error& e) {
    report.kept.push_back(str(display_name(node), ": ", e.what()));
    return;
  }
  const ValueId w = r.add_constant(name_without_suffix(r.graph().value(match->codes).name), dequantize(codes, *grid));
  Node& made = r.add(conv ? "Conv" : "MatMul", {match->x, w}, {match->result}, node.name);
  made.attributes = node.attributes;
  const NodeId made_id = made.id;
  const Format& uint8 = format_named("uint8");
  r.quantization().at[{made.id, Side::input, 0}] = {
      When::at_run, false, {Grid{&uint8, uint8.code_min, uint8.code_max, {}, {}, {}, {}}}, {}, 0};
  r.quantization().at[{made.id, Side::input, 1}] = {When::statically, false, {*grid}, codes, 0};
  const bool shared = r.single_reader(r.node(match->scales)->output()) == nullptr;
  for (const NodeId id : {match->integer, match->cast, match->multiply}) r.erase(id);
  if (!shared) r.erase(match->scales);
  if (conv) absorb_bias(r, made_id);
}

}  // namespace

bool is_quantize(const Node& node) {
  return node.op == "QuantizeLinear" && is_microsoft_or_standard(node) && node.output() != ValueId::none;
}
bool is_dequantize(const Node& node) {
  return node.op == "DequantizeLinear" && is_microsoft_or_standard(node) && node.output() != ValueId::none;
}

std::optional<Grid> grid_of(const Graph& graph, const Node& node, DType codes, std::string* why) {
  const Tensor* scale = graph.constant(node.input(1));
  const Tensor* zero = node.input(2) == ValueId::none ? nullptr : graph.constant(node.input(2));
  if (!scale || (!zero && node.input(2) != ValueId::none)) {
    *why = "its scale or zero point is computed at run time";
    return {};
  }
  if (scale->dtype() != DType::f32 || (node.has_attr("output_dtype") && is_dequantize(node))) {
    *why = str("its scale is ", name_of(scale->dtype()), ", float32 is wanted");
    return {};
  }
  const auto given = static_cast<DType>(is_quantize(node) ? node.attr_int("output_dtype", 0) : 0);
  const DType type = zero ? zero->dtype() : given != DType::none ? given : codes != DType::none ? codes : DType::u8;
  const Format* format = format_of(type);
  if (!format || !format->is_integer) {
    *why = str("its codes are ", name_of(type), ", which is no integer format");
    return {};
  }
  if (zero && codes != DType::none && zero->dtype() != codes) {
    *why = str("its codes are ", name_of(codes), ", its zero point is ", name_of(zero->dtype()));
    return {};
  }
  for (const float s : scale->values<float>())
    if (!(s > 0) || s > std::numeric_limits<float>::max()) {
      *why = "its scale is not positive";
      return {};
    }
  Grid grid{format, format->code_min, format->code_max, {}, *scale, zero ? unpack(*zero) : Tensor(), {}};
  const auto axis = static_cast<int>(node.attr_int("axis", 1));
  if (const int64_t block = node.attr_int("block_size", 0); block > 0) {
    grid.layout = {Layout::block, axis, block};
  } else if (scale->rank() == 1 && (scale->elements() != 1 || node.has_attr("axis"))) {
    grid.layout = {Layout::channel, axis, 0};
    const Value* x = graph.has_value(node.input(0)) ? &graph.value(node.input(0)) : nullptr;
    const auto at = static_cast<size_t>(axis < 0 && x ? axis + static_cast<int>(x->shape.size()) : axis);
    // One scale with an axis whose extent is another (or unknown) is meant for the whole tensor.
    const bool one_channel = x && x->has_shape && at < x->shape.size() && x->shape[at] == 1;
    if (scale->elements() == 1 && !one_channel) grid.layout = {};
  } else if (scale->elements() != 1) {
    *why = "its scale has neither one element nor one dimension";
    return {};
  }
  if (zero && zero->elements() != scale->elements()) {
    *why = "its zero point has another shape than its scale";
    return {};
  }
  return grid;
}

bool same_chain(std::span<const Grid> a, std::span<const Grid> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_grid);
}

std::string note_of(const Entry& entry, const Grid& grid, bool constant) {
  const bool plain = format_of(grid.format->file) == grid.format;
  const bool whole = grid.qmin == grid.format->code_min && grid.qmax == grid.format->code_max;
  if (plain && (whole || !constant) && entry.tied == 0) return {};
  return str(grid.format->name, " ", grid.qmin, " ", grid.qmax, " tied ", entry.tied);
}

std::optional<QuantizationNote> read_note(const std::string& text) {
  const auto words = split(text, ' ');
  if (words.size() != 5 || words[3] != "tied") return {};
  QuantizationNote note;
  note.format = find_format(words[0]);
  note.qmin = static_cast<int32_t>(std::atoll(words[1].c_str()));
  note.qmax = static_cast<int32_t>(std::atoll(words[2].c_str()));
  note.tied = static_cast<GroupId>(std::strtoul(words[4].c_str(), nullptr, 10));
  const bool fits = note.format && note.qmin <= note.qmax && note.qmin >= note.format->code_min &&
                    note.qmax <= note.format->code_max;
  return fits ? std::optional(note) : std::nullopt;
}

Tensor derived_bias_scale(const Model& model, const Uses& uses, const Node& node) {
  const Op* op = find_op(node.domain, node.op);
  if (!op || op->quant.weight_input < 0 || op->quant.data_inputs.empty()) return {};
  const uint16_t data = op->quant.data_inputs[0], weight = static_cast<uint16_t>(op->quant.weight_input);
  const Entry* x = model.quantization.find({node.id, Side::input, data});
  const SiteOf made = producer_site(model.graph, uses, node.input(data));
  if (!x && made.found) x = model.quantization.find(made.site);
  const Entry* w = model.quantization.find({node.id, Side::input, weight});
  if (!x || !w || x->chain.empty() || w->chain.empty()) return {};
  const Grid &gx = x->chain.back(), &gw = w->chain.back();
  if (gx.scale.elements() != 1 || gx.scale.dtype() != DType::f32 || gw.scale.dtype() != DType::f32 ||
      gw.layout.kind == Layout::block)
    return {};
  Tensor scale(DType::f32, gw.scale.shape());
  for (size_t i = 0; i < static_cast<size_t>(scale.elements()); ++i)
    scale.values<float>()[i] = gx.scale.values<float>()[0] * gw.scale.values<float>()[i];
  return scale;
}

void lift_integer_operators(Rewriter& r, FoldReport& report) {
  for (const NodeId id : r.nodes()) {
    const Node& node = *r.node(id);
    if (node.output() != ValueId::none && (node.is("QLinearConv") || node.is("QLinearMatMul"))) lift_qlinear(r, node, report);
  }
  r.commit();
  for (const NodeId id : r.nodes()) {
    const Node& node = *r.node(id);
    if (moves_data(node)) lift_movement(r, node);
  }
  r.commit();
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (node && node->output() != ValueId::none && (node->is("MatMulInteger") || node->is("ConvInteger"))) lift_dynamic(r, *node, report);
  }
}

bool lower_dynamic(Rewriter& r, Node node, const DynamicCodes& x) {
  const bool conv = node.is("Conv"), gemm = node.is("Gemm");
  if (!conv && !gemm && !node.is("MatMul")) return false;
  if (gemm && (node.attr_int("transA", 0) != 0 || node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1))
    return false;
  const Node* dq = r.producer(node.input(1));
  const Tensor* given = dq && is_dequantize(*dq) ? r.graph().constant(dq->input(0)) : nullptr;
  std::string unused;
  const auto grid = given ? grid_of(r.graph(), *dq, given->dtype(), &unused) : std::nullopt;
  if (!grid || grid->layout.kind == Layout::block || bits_of(given->dtype()) != 8) return false;
  ConstantView w{*given, {}};
  w.entry.chain = {*grid};
  if (gemm && node.attr_int("transB", 0) != 0) w = permuted(w, {1, 0});
  const Grid& g = w.entry.chain[0];
  const int channel_axis = conv ? 0 : static_cast<int>(w.values.rank()) - 1;
  const int axis = g.layout.axis < 0 ? g.layout.axis + static_cast<int>(w.values.rank()) : g.layout.axis;
  const bool per_channel = g.layout.kind == Layout::channel;
  if (per_channel && (axis != channel_axis || (!conv && w.values.rank() != 2))) return false;
  Tensor scale = g.scale, zero = g.zero;
  const std::vector<int64_t> zeros = zero.empty() ? std::vector<int64_t>() : values_as_int(zero);
  const bool zero_free = std::all_of(zeros.begin(), zeros.end(), [](int64_t z) { return z == 0; });
  if (conv && per_channel && !zero_free) return false;  // ConvInteger takes one zero point
  if (conv && per_channel) {
    Shape shape(static_cast<size_t>(w.values.rank() - 1), 1);
    shape[0] = scale.elements();
    scale = scale.reshaped(shape);
  }

  const std::string stem = node.name.empty() ? node.op : node.name;
  const bool permuted_codes = w.values.raw() != given->raw();
  const ValueId codes = permuted_codes ? r.add_constant(r.graph().value(dq->input(0)).name, w.values) : dq->input(0);
  const NodeId unread = r.single_reader(dq->output()) ? dq->id : NodeId::none;
  std::vector<ValueId> inputs = {x.codes, codes, x.zero};
  if (!zero_free) inputs.push_back(r.add_constant(stem + "_w_zero_point", zero));
  const ValueId sums = r.add_value(stem + "_sums", DType::i32), real = r.add_value(stem + "_real", DType::f32);
  const ValueId scales = r.add_value(stem + "_scales", DType::f32);
  const bool biased = node.input(2) != ValueId::none;
  const ValueId product = biased ? r.add_value(stem + "_product", DType::f32) : node.output();
  Node& integer = r.add(conv ? "ConvInteger" : "MatMulInteger", inputs, {sums}, node.name);
  if (conv) integer.attributes = node.attributes;
  r.add("Cast", {sums}, {real}, stem + "_Cast").attributes["to"] = int64_t{1};
  r.add("Mul", {x.scale, r.add_constant(stem + "_w_scale", scale)}, {scales}, stem + "_scales");
  r.add("Mul", {real, scales}, {product}, stem + "_Mul");
  if (biased) {
    ValueId bias = node.input(2);
    if (conv) {
      Shape dims(static_cast<size_t>(w.values.rank() - 1), 1);
      dims[0] = -1;
      const ValueId shape = r.add_constant(stem + "_bias_shape", Tensor::of<int64_t>({w.values.rank() - 1}, dims));
      const ValueId spread = r.add_value(stem + "_bias", DType::f32);
      r.add("Reshape", {bias, shape}, {spread}, stem + "_bias_Reshape");
      bias = spread;
    }
    r.add("Add", {product, bias}, {node.output()}, stem + "_Add");
  }
  r.erase(node.id);
  if (unread != NodeId::none) r.erase(unread);
  return true;
}

}  // namespace bitwright
