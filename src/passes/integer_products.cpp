// MatMulInteger and ConvInteger, as files have them: Cast and Mul by the scales follow, then perhaps Add of a bias. Activations come
// from DynamicQuantizeLinear, or they are codes whose scale is constant (QuantizeLinear, rows of a quantized embedding, an input
// of the network): then it is part of the factor.
#include <algorithm>
#include <cmath>

#include "passes/match.hpp"
#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

struct IntegerMatch {
  NodeId integer, cast, multiply;
  ValueId x_codes, codes, zero, result;  // zero: of the weights
  Tensor scale = {};                     // of the weights
  bool at_run = false;
  NodeId scales = NodeId::none;          // the Mul of two scales
  ValueId x = ValueId::none;             // what became x_codes, where that is a quantizer's input
  Tensor x_scale = {}, x_zero = {};      // else
};

/// Cast and Mul behind an integer product, and the other factor of the Mul.
std::optional<IntegerMatch> match_product(Rewriter& r, const Node& node, ValueId* factor, std::string* why) {
  if (!r.graph().constant(node.input(1)) || (node.input(3) != ValueId::none && !r.graph().constant(node.input(3))))
    return *why = "its weights are not constant", std::nullopt;
  const Node* cast = r.single_reader(node.output());
  const Node* mul = cast && cast->is("Cast") && cast->attr_int("to", 1) == 1 ? r.single_reader(cast->output()) : nullptr;
  if (!mul || !mul->is("Mul")) return *why = "no Cast and Mul by the scales follow", std::nullopt;
  *factor = other_input(*mul, cast->output());
  return IntegerMatch{node.id, cast->id, mul->id, node.input(0), node.input(1), node.input(3), mul->output()};
}

/// The scale of the weights where `product` is Mul(dynamic scale, constant), in either order.
const Tensor* weight_scale(Rewriter& r, ValueId product, ValueId dynamic_scale) {
  const Node* mul = r.producer(product);
  if (!mul || !mul->is("Mul")) return nullptr;
  return r.graph().constant(other_input(*mul, dynamic_scale));
}

bool complete_at_run(Rewriter& r, const Node& node, const Node& quantize, ValueId factor, IntegerMatch& m, std::string* why) {
  if (node.input(0) != quantize.output(0) || node.input(2) != quantize.output(2))
    return *why = "its zero point is not its activation's", false;
  const Tensor* scale = weight_scale(r, factor, quantize.output(1));
  if (!scale || scale->dtype() != DType::f32) return *why = "no Cast and Mul by the scales follow", false;
  m.at_run = true;
  m.scale = *scale;
  m.scales = r.producer(factor)->id;
  m.x = quantize.input(0);
  return true;
}

// ---- constant scales

Tensor times(const Tensor& many, float one) {
  Tensor product(DType::f32, many.shape());
  for (size_t i = 0; i < static_cast<size_t>(many.elements()); ++i) product.values<float>()[i] = many.values<float>()[i] * one;
  return product;
}

/// w with fl32(x * w) == factor, element by element; nothing where no float has that product.
std::optional<Tensor> divided(const Tensor& factor, float x) {
  Tensor quotients(DType::f32, factor.shape());
  for (size_t i = 0; i < static_cast<size_t>(factor.elements()); ++i) {
    const float wanted = factor.values<float>()[i], near = wanted / x;
    float& q = quotients.values<float>()[i];
    for (const float candidate : {near, std::nextafter(near, 0.0f), std::nextafter(near, INFINITY)})
      if (q = candidate; q * x == wanted) break;
    if (q * x != wanted) return {};
  }
  return quotients;
}

/// The scales whose product `factor` is: two constants (the activation's is one number) or their product.
struct Factor {
  Tensor product;
  std::optional<float> x;
  Tensor w;
};
std::optional<Factor> constant_factor(Rewriter& r, ValueId factor) {
  auto floats = [&](ValueId id) {
    const Tensor* t = id == ValueId::none ? nullptr : r.graph().constant(id);
    return t && t->dtype() == DType::f32 && t->elements() > 0 ? t : nullptr;
  };
  if (const Tensor* product = floats(factor)) return Factor{*product, {}, {}};
  const Node* mul = r.producer(factor);
  if (!mul || !mul->is("Mul") || mul->inputs.size() != 2) return {};
  const Tensor *a = floats(mul->input(0)), *b = floats(mul->input(1));
  if (!a || !b) return {};
  if (a->elements() != 1) std::swap(a, b);
  if (a->elements() != 1 || a->rank() > b->rank()) return {};
  const float x = a->values<float>()[0];
  return Factor{times(*b, x), x, *b};
}

/// The zero point of the activation as a number of its codes' type; 0 where none is given.
std::optional<Tensor> zero_of_codes(Rewriter& r, const Node& node) {
  const Tensor* given = node.input(2) == ValueId::none ? nullptr : r.graph().constant(node.input(2));
  if (node.input(2) != ValueId::none) return given && given->elements() == 1 ? std::optional(given->reshaped({})) : std::nullopt;
  const DType type = r.graph().has_value(node.input(0)) ? r.graph().value(node.input(0)).dtype : DType::none;
  if (type != DType::u8 && type != DType::i8) return {};
  return Tensor(type, {});
}

bool complete_constant(Rewriter& r, const Node& node, ValueId factor, IntegerMatch& m, std::string* why) {
  const auto f = constant_factor(r, factor);
  if (!f) return *why = "its activation comes from no DynamicQuantizeLinear, and its factor is not constant", false;
  const Node* q = r.producer(node.input(0));
  const bool quantized = q && is_quantize(*q);
  const auto grid = quantized ? grid_of(r.graph(), *q, DType::none, why) : std::nullopt;
  if (quantized && (!grid || grid->layout.kind != Layout::tensor)) return *why = "its activation has no constant scale", false;
  const auto zero = zero_of_codes(r, node);
  if (!zero) return *why = "the zero point of its activation is not one constant", false;
  const int64_t own = quantized && !grid->zero.empty() ? value_as_int(grid->zero, 0) : 0;
  if (quantized && own != value_as_int(*zero, 0)) return *why = "its zero point is not its activation's", false;
  float x = f->x.value_or(1.0f);  // codes of unknown origin: the factor says what they count
  m.scale = f->x ? f->w : f->product;
  if (quantized && x != static_cast<float>(value_as_double(grid->scale, 0))) {
    x = static_cast<float>(value_as_double(grid->scale, 0));
    const auto w = divided(f->product, x);
    if (!w) return *why = "its factor is no product of its activation's scale", false;
    m.scale = *w;
  }
  if (!(x > 0)) return *why = "its scale is not positive", false;
  m.x_scale = Tensor::of<float>({}, std::vector<float>{x});
  m.x_zero = *zero;
  if (quantized) m.x = q->input(0);
  if (!r.graph().constant(factor)) m.scales = r.producer(factor)->id;
  return true;
}

std::optional<IntegerMatch> match_integer(Rewriter& r, const Node& node, std::string* why) {
  ValueId factor = ValueId::none;
  auto match = match_product(r, node, &factor, why);
  if (!match) return {};
  const Node* made = r.producer(node.input(0));
  const bool complete = made && made->is("DynamicQuantizeLinear") ? complete_at_run(r, node, *made, factor, *match, why)
                                                                  : complete_constant(r, node, factor, *match, why);
  return complete ? match : std::nullopt;
}

/// codes -> DQ, and -> Q -> DQ where nothing before them says that they are codes (which changes no number: what lies on the
/// grid stays).
ValueId real_of_codes(Rewriter& r, const IntegerMatch& m) {
  const std::string name = name_of_real(r.graph().value(m.x_codes).name);
  const ValueId scale = r.add_constant(name + "_scale", m.x_scale), zero = r.add_constant(name + "_zero_point", m.x_zero);
  auto decode = [&](ValueId codes, const std::string& as) {
    const ValueId real = r.add_value(as, DType::f32);
    r.add("DequantizeLinear", {codes, scale, zero}, {real}, as + "_DequantizeLinear");
    return real;
  };
  const Node* q = r.producer(m.x_codes);
  const ValueId real = decode(m.x_codes, name);
  if ((q && is_quantize(*q)) || r.is_graph_input(m.x_codes)) return real;
  const ValueId again = r.add_value(name + "_again", m.x_zero.dtype());
  r.add("QuantizeLinear", {real, scale, zero}, {again}, name + "_QuantizeLinear");
  return decode(again, name + "_rounded");
}

/// The rank of the integer product; the least that it can have where that of x is not known (-1).
int64_t product_rank(int64_t x, int64_t w, bool conv) {
  if (conv) return w;
  if (x < 0) x = 1;
  return x == 1 || w == 1 ? x + w - 2 : std::max(x, w);
}

/// The grid of the weights of ConvInteger (axis 0, scale [M,1,1]) or MatMulInteger (last axis, scale [N]). A scale of a higher
/// rank than the product's would raise the rank of the result.
std::optional<Grid> weight_grid(Rewriter& r, const IntegerMatch& m, bool conv) {
  const Graph& g = r.graph();
  const Tensor& codes = *g.constant(m.codes);
  const Format* format = format_of(codes.dtype());
  const Tensor* zero = m.zero == ValueId::none ? nullptr : g.constant(m.zero);
  if (!format || !format->is_integer || codes.rank() < (conv ? 3 : 1) || (zero && zero->dtype() != codes.dtype())) return {};
  const Shape& s = m.scale.shape();
  if (std::ssize(s) > product_rank(rank_of(r, m.x == ValueId::none ? m.x_codes : m.x), codes.rank(), conv)) return {};
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

void lift_integer(Rewriter& r, const Node& given, const Metadata& metadata, FoldReport& report) {
  const Node node = given;
  std::string why;
  const auto match = match_integer(r, node, &why);
  const bool conv = node.op == "ConvInteger";
  auto grid = match ? weight_grid(r, *match, conv) : std::nullopt;
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
  const ValueId w = r.add_constant(name, dequantize_later(codes, *grid));
  const ValueId x = match->at_run ? match->x : real_of_codes(r, *match);
  Node& made = r.add(conv ? "Conv" : "MatMul", {x, w}, {match->result}, node.name);
  made.attributes = node.attributes;
  const NodeId made_id = made.id;
  const Format& uint8 = format_named("uint8");
  if (match->at_run)
    r.quantization().at[{made.id, Side::input, 0}] = {
        When::at_run, false, {Grid{&uint8, uint8.code_min, uint8.code_max, {}, {}, {}, {}}}, {}, 0};
  r.quantization().at[{made.id, Side::input, 1}] = {When::statically, false, {*grid}, codes, tied};
  const bool unread = match->scales != NodeId::none && r.single_reader(r.node(match->scales)->output());
  for (const NodeId id : {match->integer, match->cast, match->multiply}) r.erase(id);
  if (unread) r.erase(match->scales);
  if (conv) absorb_bias(r, made_id);
}

}  // namespace

void lift_integer_products(Rewriter& r, const Metadata& metadata, FoldReport& report) {
  lift_dynamic_rows(r, metadata);
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (node && node->output() != ValueId::none && (node->is("MatMulInteger") || node->is("ConvInteger"))) lift_integer(r, *node, metadata, report);
  }
  r.commit();
}

}  // namespace bitwright
