// Run-time quantization as files have it: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul by the scales, Add of a
// bias. (integer_products.cpp reads them.)
#include <algorithm>

#include "passes/qoperators.hpp"

namespace bitwright {
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
