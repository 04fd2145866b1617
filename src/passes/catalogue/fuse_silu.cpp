// x * sigmoid(x) = Swish(x)
#include "ops/op.hpp"
#include "passes/match.hpp"

namespace bitwright {

Model pass_fuse_silu(Model model, PassReport& report);
Model pass_fuse_silu(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "Swish")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* mul = r.node(id);
    if (!mul || !mul->is("Mul") || mul->inputs.size() != 2) continue;
    for (size_t i = 0; i < 2; ++i) {
      const Node* sigmoid = only_made_by(r, mul->inputs[i], "Sigmoid");
      if (!sigmoid || sigmoid->input(0) != mul->inputs[1 - i] || r.input_entry(*mul, 0) || r.input_entry(*mul, 1)) continue;
      report.done.push_back(display_name(*mul) + ": x * sigmoid(x), fused");
      take_place(r, id, "Swish", {sigmoid->input(0)});
      break;
    }
  }
  r.commit();
  return model;
}

}  // namespace bitwright
