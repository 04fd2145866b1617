// (x - mean x) / sqrt(mean (x - mean x)^2 + eps) * gamma + beta = LayerNormalization(x, gamma, beta), last axis
// TensorFlow: x * k + (beta - mean x * k), k = gamma / sqrt(mean (x - mean x)^2 + eps)
#include "ops/op.hpp"
#include "passes/normal.hpp"

namespace bitwright {
namespace {

struct Match {
  ValueId x = ValueId::none;
  float epsilon = 0;
};

/// x where `normalised` is the last step before gamma.
Match match(Rewriter& r, const Node& normalised) {
  const Normalised n = normalised_by(r, normalised);
  const Node* sub = n.d == ValueId::none ? nullptr : made_by(r, n.d, "Sub");
  if (!sub || last_axis_mean(r, sub->input(1), false) != sub->input(0)) return {};
  return {sub->input(0), n.epsilon};
}

/// gamma where k = gamma * (1 / deviation of x), and its epsilon.
struct Stretch {
  ValueId gamma = ValueId::none;
  float epsilon = 0;
};
std::optional<Stretch> stretch_of(Rewriter& r, ValueId k, ValueId x, ValueId mean) {
  const Node* mul = made_by(r, k, "Mul");
  for (size_t i = 0; mul && i < 2; ++i) {
    const ValueId root = inverted_by(r, mul->input(i));
    const ValueId d = root == ValueId::none ? ValueId::none : deviation_squared_in(r, root);
    const Node* sub = d == ValueId::none ? nullptr : made_by(r, d, "Sub");
    if (!sub || sub->input(0) != x || sub->input(1) != mean) continue;
    if (const auto epsilon = root_mean_square(r, root, d)) return Stretch{mul->input(1 - i), *epsilon};
  }
  return {};
}

/// add = x * k + (beta - mean * k)
std::optional<std::vector<ValueId>> tensorflow_form(Rewriter& r, const Node& add, float& epsilon) {
  if (!add.is("Add") || r.input_entry(add, 0) || r.input_entry(add, 1)) return {};
  for (size_t i = 0; i < 2; ++i) {
    const Node *xk = only_made_by(r, add.input(i), "Mul"), *rest = only_made_by(r, add.input(1 - i), "Sub");
    const Node* mk = rest ? only_made_by(r, rest->input(1), "Mul") : nullptr;
    for (size_t j = 0; xk && mk && j < 2; ++j) {
      const ValueId x = xk->input(j), k = xk->input(1 - j), mean = other_input(*mk, k);
      if (mean == ValueId::none || last_axis_mean(r, mean, false) != x) continue;
      const auto stretch = stretch_of(r, k, x, mean);
      if (!stretch || !is_last_axis_vector(r, stretch->gamma) || !is_last_axis_vector(r, rest->input(0)) ||
          r.graph().constant(rest->input(0))->shape() != r.graph().constant(stretch->gamma)->shape())
        continue;
      epsilon = stretch->epsilon;
      return std::vector<ValueId>{x, stretch->gamma, rest->input(0)};
    }
  }
  return {};
}

void fuse(Rewriter& r, NodeId last, const std::vector<ValueId>& inputs, float epsilon) {
  Node& made = take_place(r, last, "LayerNormalization", inputs);
  made.attributes["axis"] = int64_t{-1};
  made.attributes["epsilon"] = epsilon;
}

}  // namespace

Model pass_fuse_layer_norm(Model model, PassReport& report);
Model pass_fuse_layer_norm(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "LayerNormalization")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (!node) continue;
    float epsilon = 0;
    if (const auto inputs = tensorflow_form(r, *node, epsilon)) {
      report.done.push_back(display_name(*node) + ": a layer normalisation, fused");
      fuse(r, id, *inputs, epsilon);
      continue;
    }
    const Match m = match(r, *node);
    if (m.x == ValueId::none) continue;
    const Node* scale = r.single_reader(node->output());
    const ValueId gamma = scale && scale->is("Mul") ? other_input(*scale, node->output()) : ValueId::none;
    if (!is_last_axis_vector(r, gamma) || r.has_entries(*node) || r.input_entry(*scale, 0) || r.input_entry(*scale, 1)) {
      report.kept.push_back(display_name(*node) + ": a layer normalisation without a vector of factors behind it");
      continue;
    }
    const Node* shift = r.output_entry(scale->output()) ? nullptr : r.single_reader(scale->output());
    const ValueId beta = shift && shift->is("Add") && !r.input_entry(*shift, 0) && !r.input_entry(*shift, 1)
                             ? other_input(*shift, scale->output()) : ValueId::none;
    const bool shifted = is_last_axis_vector(r, beta) && r.graph().constant(beta)->shape() == r.graph().constant(gamma)->shape();
    std::vector<ValueId> inputs = {m.x, gamma};
    if (shifted) inputs.push_back(beta);
    report.done.push_back(display_name(*node) + ": a layer normalisation, fused");
    fuse(r, shifted ? shift->id : scale->id, inputs, m.epsilon);
  }
  r.commit();
  return model;
}

}  // namespace bitwright
