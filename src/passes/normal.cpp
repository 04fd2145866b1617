#include "passes/normal.hpp"

namespace bitwright {

ValueId last_axis_mean(Rewriter& r, ValueId id, bool read_once) {
  const Node* mean = read_once ? only_made_by(r, id, "ReduceMean") : made_by(r, id, "ReduceMean");
  if (!mean || mean->attr_int("keepdims", 1) != 1) return ValueId::none;
  const Tensor* axes = mean->input(1) == ValueId::none ? nullptr : r.graph().constant(mean->input(1));
  const auto given = axes ? values_as_int(*axes) : mean->attr_ints("axes");
  const int64_t rank = rank_of(r, mean->input(0));
  const bool last = given.size() == 1 && (given[0] == -1 || (rank > 0 && given[0] == rank - 1));
  return last ? mean->input(0) : ValueId::none;
}

bool is_square(Rewriter& r, ValueId id, ValueId d) {
  if (const Node* mul = only_made_by(r, id, "Mul")) return mul->input(0) == d && mul->input(1) == d;
  const Node* pow = only_made_by(r, id, "Pow");
  return pow && pow->input(0) == d && is_scalar(r, pow->input(1), 2);
}

ValueId inverted_by(Rewriter& r, ValueId id) {
  if (const Node* inverse = only_made_by(r, id, "Reciprocal")) return inverse->input(0);
  const Node* div = only_made_by(r, id, "Div");
  return div && is_scalar(r, div->input(0), 1) ? div->input(1) : ValueId::none;
}

ValueId deviation_squared_in(Rewriter& r, ValueId root) {
  const Node* sqrt = only_made_by(r, root, "Sqrt");
  const Node* add = sqrt ? only_made_by(r, sqrt->input(0), "Add") : nullptr;
  for (size_t i = 0; add && i < add->inputs.size(); ++i) {
    const ValueId square = last_axis_mean(r, add->inputs[i], true);
    const Node* node = square == ValueId::none ? nullptr : r.producer(square);
    if (node && !node->inputs.empty()) return node->input(0);
  }
  return ValueId::none;
}

std::optional<float> root_mean_square(Rewriter& r, ValueId id, ValueId d) {
  const Node* root = only_made_by(r, id, "Sqrt");
  const Node* add = root ? only_made_by(r, root->input(0), "Add") : nullptr;
  if (!add || add->inputs.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    const auto epsilon = scalar_of(r, add->inputs[i]);
    const ValueId square = epsilon ? last_axis_mean(r, add->inputs[1 - i], true) : ValueId::none;
    if (square != ValueId::none && is_square(r, square, d)) return static_cast<float>(*epsilon);
  }
  return {};
}

Normalised normalised_by(Rewriter& r, const Node& node) {
  if (node.inputs.size() != 2) return {};
  if (node.is("Div")) {
    const auto epsilon = root_mean_square(r, node.inputs[1], node.inputs[0]);
    return epsilon ? Normalised{node.inputs[0], *epsilon} : Normalised();
  }
  if (!node.is("Mul")) return {};
  for (size_t i = 0; i < 2; ++i) {
    const ValueId root = inverted_by(r, node.inputs[i]);
    if (root == ValueId::none) continue;
    if (const auto epsilon = root_mean_square(r, root, node.inputs[1 - i])) return {node.inputs[1 - i], *epsilon};
  }
  return {};
}

bool is_last_axis_vector(Rewriter& r, ValueId id) {
  const Tensor* t = id == ValueId::none ? nullptr : r.graph().constant(id);
  return t && t->rank() == 1;
}

}  // namespace bitwright
