// f(x) = x: Identity, Dropout in inference, Cast to the same type, Transpose in order, Concat of one, Pad by nothing.
#include <algorithm>

#include "graph/rewriter.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

bool all_equal(const Tensor* t, int64_t wanted) {
  if (!t) return false;
  const auto values = values_as_int(*t);
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

bool in_order(const std::vector<int64_t>& perm) {
  for (size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<int64_t>(i)) return false;
  return !perm.empty();
}

bool same_known_shape(const Graph& g, ValueId a, ValueId b) {
  if (!g.has_value(a) || !g.has_value(b) || !g.value(a).has_shape || !g.value(b).has_shape) return false;
  const Shape& shape = g.value(a).shape;
  return shape == g.value(b).shape && std::all_of(shape.begin(), shape.end(), [](int64_t n) { return n != kUnknownDim; });
}

bool is_identity(Rewriter& r, const Node& node) {
  const Graph& g = r.graph();
  if (node.is("Identity")) return true;
  if (node.is("Dropout")) {
    const bool training = node.input(2) != ValueId::none && !all_equal(g.constant(node.input(2)), 0);
    return !training && (node.output(1) == ValueId::none || r.readers(node.output(1)).empty());
  }
  if (node.is("Cast")) {
    const bool known = g.has_value(node.input(0)) && g.value(node.input(0)).dtype != DType::none;
    return known && node.attr_int("to", 0) == static_cast<int64_t>(g.value(node.input(0)).dtype);
  }
  if (node.is("Transpose")) return in_order(node.attr_ints("perm"));
  if (node.is("Concat")) return node.inputs.size() == 1;
  if (node.is("Pad")) return all_equal(g.constant(node.input(1)), 0);
  if (node.is("Reshape")) return same_known_shape(g, node.input(0), node.output());
  return false;
}

}  // namespace

Model pass_remove_identity(Model model, PassReport& report);
Model pass_remove_identity(Model model, PassReport& report) {
  Rewriter r(model);
  for (const NodeId id : r.nodes()) {
    Node& node = *r.node(id);
    if (node.input(0) == ValueId::none || node.output() == ValueId::none || !is_identity(r, node)) continue;
    const bool input_entry = r.input_entry(node, 0) != nullptr;
    if (!input_entry && r.replace(node.output(), node.input(0))) {
      report.done.push_back(display_name(node) + ": removed");
      r.erase(id);
    } else {
      report.kept.push_back(display_name(node) + (input_entry ? ": its input is quantized" : ": joins an input of the graph to an output"));
    }
  }
  r.commit();
  return model;
}

}  // namespace bitwright
