// Small questions that the fusing passes ask of a graph, so that each pattern reads like its formula.
#pragma once

#include <cmath>
#include <optional>

#include "graph/rewriter.hpp"
#include "passes/pass.hpp"

namespace bitwright {

/// The value of a constant with one element.
inline std::optional<double> scalar_of(Rewriter& r, ValueId id) {
  const Tensor* t = id == ValueId::none ? nullptr : r.graph().constant(id);
  if (!t || t->elements() != 1 || !is_float(t->dtype())) return {};
  return value_as_double(*t, 0);
}
inline bool is_scalar(Rewriter& r, ValueId id, double wanted, double tolerance = 1e-5) {
  const auto v = scalar_of(r, id);
  return v && std::fabs(*v - wanted) <= tolerance * std::fabs(wanted);
}

/// The node that makes `id` if it is this operator, is read only here and carries no quantization.
inline const Node* made_by(Rewriter& r, ValueId id, std::string_view op) {
  const Node* node = r.producer(id);
  return node && node->is(op) && !r.has_entries(*node) ? node : nullptr;
}
inline const Node* only_made_by(Rewriter& r, ValueId id, std::string_view op) {
  return r.single_reader(id) ? made_by(r, id, op) : nullptr;
}

/// For a commutative node with two inputs: the input beside `one`; none if `one` is not an input.
inline ValueId other_input(const Node& node, ValueId one) {
  if (node.inputs.size() != 2) return ValueId::none;
  return node.inputs[0] == one ? node.inputs[1] : node.inputs[1] == one ? node.inputs[0] : ValueId::none;
}

/// The factors of a product written as a tree of Mul and of Div by constants; `inner` receives the nodes below `root`.
/// A product of a hundred factors is no pattern: then it is empty.
struct Product {
  double constant = 1;
  std::vector<ValueId> factors;
};
Product product_of(Rewriter& r, const Node& root, int depth = 4);

/// The rank of a value, -1 where it is not known.
inline int64_t rank_of(Rewriter& r, ValueId id) {
  if (!r.graph().has_value(id)) return -1;
  const Value& value = r.graph().value(id);
  return value.has_shape ? static_cast<int64_t>(value.shape.size()) : -1;
}

/// Puts a new node in the place of `old`, which makes `result`: it takes over the name and the output's entry.
inline Node& take_place(Rewriter& r, NodeId old, std::string op, std::vector<ValueId> inputs) {
  const Node before = *r.node(old);
  Node& made = r.add(std::move(op), std::move(inputs), {before.output()}, before.name);
  r.move_output_entry(old, made.id);
  r.erase(old);
  return made;
}

}  // namespace bitwright
