// Run-time quantization: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul by the scales, Add of a bias.
#include <algorithm>

#include "passes/match.hpp"
#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

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

/// The rank of the integer product; the least that it can have where that of x is not known (-1).
int64_t product_rank(int64_t x, int64_t w, bool conv) {
  if (conv) return w;
  if (x < 0) x = 1;
  return x == 1 || w == 1 ? x + w - 2 : std::max(x, w);
}

/// The grid of the weights of ConvInteger (axis 0, scale [M,1,1]) or MatMulInteger (last axis, scale [N]). A scale of a higher
/// rank than the product's would raise the rank of the result.
std::optional<Grid> dynamic_weight_grid(Rewriter& r, const DynamicMatch& m, bool conv) {
  const Graph& g = r.graph();
  const Tensor& codes = *g.constant(m.codes);
  const Format* format = format_of(codes.dtype());
  const Tensor* zero = m.zero == ValueId::none ? nullptr : g.constant(m.zero);
  if (!format || !format->is_integer || codes.rank() < (conv ? 3 : 1) || (zero && zero->dtype() != codes.dtype())) return {};
  const Shape& s = m.scale.shape();
  if (std::ssize(s) > product_rank(rank_of(r, m.x), codes.rank(), conv)) return {};
  Grid grid{format, format->code_min, format->code_max, {}, m.scale, {}, {}};
  const int axis = conv ? 0 : static_cast<int>(codes.rank()) - 1;
  const int64_t channels = codes.dim(axis);
  if (m.scale.elements() != 1) {
    const int64_t from_end = conv ? codes.rank() - 1 : 1;  // where the product's channels are
    const bool fits = codes.rank() > 1 && std::ssize(s) >= from_end && s[s.size() - static_cast<size_t>(from_end)] == channels;
    if (m.scale.elements() != channels || !fits) return {};
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

void lift_dynamic(Rewriter& r, const Node& given, const Metadata& metadata, FoldReport& report) {
  const Node node = given;
  std::string why;
  const auto match = match_dynamic(r, node, &why);
  const bool conv = node.op == "ConvInteger";
  auto grid = match ? dynamic_weight_grid(r, *match, conv) : std::nullopt;
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
  const std::string name = name_of_real(r.graph().value(match->codes).name);
  GroupId tied = 0;
  apply_note(metadata, name + "_DequantizeLinear", *grid, &codes, tied);
  const ValueId w = r.add_constant(name, dequantize(codes, *grid));
  Node& made = r.add(conv ? "Conv" : "MatMul", {match->x, w}, {match->result}, node.name);
  made.attributes = node.attributes;
  const NodeId made_id = made.id;
  const Format& uint8 = format_named("uint8");
  r.quantization().at[{made.id, Side::input, 0}] = {
      When::at_run, false, {Grid{&uint8, uint8.code_min, uint8.code_max, {}, {}, {}, {}}}, {}, 0};
  r.quantization().at[{made.id, Side::input, 1}] = {When::statically, false, {*grid}, codes, tied};
  const bool shared = r.single_reader(r.node(match->scales)->output()) == nullptr;
  for (const NodeId id : {match->integer, match->cast, match->multiply}) r.erase(id);
  if (!shared) r.erase(match->scales);
  if (conv) absorb_bias(r, made_id);
}

}  // namespace

void lift_dynamic_products(Rewriter& r, const Metadata& metadata, FoldReport& report) {
  lift_dynamic_rows(r, metadata);
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (node && node->output() != ValueId::none && (node->is("MatMulInteger") || node->is("ConvInteger"))) lift_dynamic(r, *node, metadata, report);
  }
  r.commit();
}

namespace {

/// 8-bit codes as MatMulInteger (columns last) or ConvInteger reads them.
std::optional<IntegerWeights> integer_weights(Rewriter& r, const Node& node) {
  const Node* dq = r.producer(node.input(1));
  const Tensor* given = dq && is_dequantize(*dq) ? r.graph().constant(dq->input(0)) : nullptr;
  std::string unused;
  const auto grid = given ? grid_of(r.graph(), *dq, given->dtype(), &unused) : std::nullopt;
  if (!grid || grid->layout.kind == Layout::block || bits_of(given->dtype()) != 8) return {};
  ConstantView w{*given, {}};
  w.entry.chain = {*grid};
  const bool transposed = node.is("Gemm") && node.attr_int("transB", 0) != 0;
  if (transposed) w = permuted(w, {1, 0});
  const Grid& g = w.entry.chain[0];
  const int rank = static_cast<int>(w.values.rank()), axis = g.layout.axis < 0 ? g.layout.axis + rank : g.layout.axis;
  if (g.layout.kind == Layout::channel && (axis != (node.is("Conv") ? 0 : rank - 1) || (!node.is("Conv") && rank != 2))) return {};
  const NodeId unread = r.single_reader(dq->output()) ? dq->id : NodeId::none;
  const ValueId codes = transposed ? r.add_constant(r.graph().value(dq->input(0)).name, w.values) : dq->input(0);
  return IntegerWeights{codes, g, unread};
}

bool has_integer_form(const Node& node) {
  if (node.is("Gemm"))
    return node.attr_int("transA", 0) == 0 && node.attr_float("alpha", 1) == 1 && node.attr_float("beta", 1) == 1;
  return node.is("Conv") || node.is("MatMul");
}

bool is_zero(const Tensor& zero) {
  const std::vector<int64_t> zeros = zero.empty() ? std::vector<int64_t>() : values_as_int(zero);
  return std::all_of(zeros.begin(), zeros.end(), [](int64_t z) { return z == 0; });
}

/// x_scale * w_scale * float(sums) makes `product`.
void write_product(Rewriter& r, const Node& node, const DynamicCodes& x, const IntegerWeights& w, const std::string& stem, ValueId product) {
  const bool conv = node.is("Conv");
  Tensor scale = w.grid.scale;
  if (conv && w.grid.layout.kind == Layout::channel) {
    Shape shape(static_cast<size_t>(r.graph().constant(w.codes)->rank() - 1), 1);
    shape[0] = scale.elements();
    scale = scale.reshaped(shape);
  }
  std::vector<ValueId> inputs = {x.codes, w.codes, x.zero};
  if (!is_zero(w.grid.zero)) inputs.push_back(r.add_constant(stem + "_w_zero_point", w.grid.zero));
  const ValueId sums = r.add_value(stem + "_sums", DType::i32), real = r.add_value(stem + "_real", DType::f32);
  const ValueId scales = r.add_value(stem + "_scales", DType::f32);
  Node& integer = r.add(conv ? "ConvInteger" : "MatMulInteger", inputs, {sums}, node.name);
  if (conv) integer.attributes = node.attributes;
  r.add("Cast", {sums}, {real}, stem + "_Cast").attributes["to"] = int64_t{1};
  r.add("Mul", {x.scale, r.add_constant(stem + "_w_scale", scale)}, {scales}, stem + "_scales");
  r.add("Mul", {real, scales}, {product}, stem + "_Mul");
}

void write_bias(Rewriter& r, const Node& node, int64_t rank, const std::string& stem, ValueId product) {
  ValueId bias = node.input(2);
  if (node.is("Conv")) {
    Shape dims(static_cast<size_t>(rank - 1), 1);
    dims[0] = -1;
    const ValueId shape = r.add_constant(stem + "_bias_shape", Tensor::of<int64_t>({rank - 1}, dims));
    const ValueId spread = r.add_value(stem + "_bias", DType::f32);
    r.add("Reshape", {bias, shape}, {spread}, stem + "_bias_Reshape");
    bias = spread;
  }
  r.add("Add", {product, bias}, {node.output()}, stem + "_Add");
}

}  // namespace

bool lower_dynamic(Rewriter& r, Node node, const DynamicCodes& x, bool per_row) {
  if (!has_integer_form(node) || (per_row && node.is("Conv"))) return false;
  const auto w = integer_weights(r, node);
  if (!w) return false;
  const int64_t rank = r.graph().constant(w->codes)->rank();
  if (node.is("Conv") && w->grid.layout.kind == Layout::channel && !is_zero(w->grid.zero)) return false;  // it takes one zero point
  if (per_row && rank != 2) return false;
  const std::string stem = node.name.empty() ? r.graph().value(node.output()).name : node.name;
  const bool biased = node.input(2) != ValueId::none;
  const ValueId product = biased ? r.add_value(stem + "_product", DType::f32) : node.output();
  if (per_row) {
    write_row_product(r, x, *w, stem, product);
  } else {
    write_product(r, node, x, *w, stem, product);
  }
  if (biased) write_bias(r, node, rank, stem, product);
  r.erase(node.id);
  if (w->unread != NodeId::none) r.erase(w->unread);
  return true;
}

}  // namespace bitwright
