// x / sqrt(mean x^2 + eps) * gamma = RMSNormalization(x, gamma), last axis
#include "ops/op.hpp"
#include "passes/normal.hpp"

namespace bitwright {

Model pass_fuse_rms_norm(Model model, PassReport& report);
Model pass_fuse_rms_norm(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "RMSNormalization")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    const Normalised n = node ? normalised_by(r, *node) : Normalised();
    if (n.d == ValueId::none) continue;
    const Node* scale = r.single_reader(node->output());
    const ValueId gamma = scale && scale->is("Mul") ? other_input(*scale, node->output()) : ValueId::none;
    if (!is_last_axis_vector(r, gamma) || r.has_entries(*node) || r.input_entry(*scale, 0) || r.input_entry(*scale, 1)) {
      report.kept.push_back(display_name(*node) + ": a root-mean-square normalisation without a vector of factors behind it");
      continue;
    }
    report.done.push_back(display_name(*node) + ": a root-mean-square normalisation, fused");
    Node& made = take_place(r, scale->id, "RMSNormalization", {n.d, gamma});
    made.attributes["axis"] = int64_t{-1};
    made.attributes["epsilon"] = n.epsilon;
  }
  r.commit();
  return model;
}

}  // namespace bitwright
