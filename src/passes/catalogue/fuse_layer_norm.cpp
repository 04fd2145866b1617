// (x - mean x) / sqrt(mean (x - mean x)^2 + eps) * gamma + beta = LayerNormalization(x, gamma, beta), last axis
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

}  // namespace

Model pass_fuse_layer_norm(Model model, PassReport& report);
Model pass_fuse_layer_norm(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "LayerNormalization")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    const Match m = node ? match(r, *node) : Match();
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
    Node& made = take_place(r, shifted ? shift->id : scale->id, "LayerNormalization", inputs);
    made.attributes["axis"] = int64_t{-1};
    made.attributes["epsilon"] = m.epsilon;
  }
  r.commit();
  return model;
}

}  // namespace bitwright
