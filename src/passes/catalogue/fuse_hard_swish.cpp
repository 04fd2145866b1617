// x * HardSigmoid(x, 1/6, 1/2) = x * clip(x + 3, 0, 6) / 6 = HardSwish(x)
#include "ops/op.hpp"
#include "passes/match.hpp"

namespace bitwright {
namespace {

bool is_hard_sigmoid(Rewriter& r, ValueId id, ValueId x) {
  const Node* node = only_made_by(r, id, "HardSigmoid");
  return node && node->input(0) == x && std::fabs(node->attr_float("alpha", 0.2f) - 1.0f / 6) < 1e-5f &&
         std::fabs(node->attr_float("beta", 0.5f) - 0.5f) < 1e-6f;
}

/// clip(x + 3, 0, 6)
bool is_shifted_clip(Rewriter& r, ValueId id, ValueId x) {
  const Node* clip = only_made_by(r, id, "Clip");
  if (!clip || !scalar_of(r, clip->input(1)) || *scalar_of(r, clip->input(1)) != 0 || !is_scalar(r, clip->input(2), 6)) return false;
  const Node* add = only_made_by(r, clip->input(0), "Add");
  const ValueId three = add ? other_input(*add, x) : ValueId::none;
  return three != ValueId::none && is_scalar(r, three, 3);
}

}  // namespace

Model pass_fuse_hard_swish(Model model, PassReport& report);
Model pass_fuse_hard_swish(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "HardSwish")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (!node || !(node->is("Mul") || node->is("Div")) || r.input_entry(*node, 0) || r.input_entry(*node, 1)) continue;
    const Product p = product_of(r, *node);
    if (p.factors.size() != 2) continue;
    for (size_t i = 0; i < 2; ++i) {
      const ValueId x = p.factors[i], rest = p.factors[1 - i];
      const bool hard = std::fabs(p.constant - 1) < 1e-6 && is_hard_sigmoid(r, rest, x);
      const bool clip = std::fabs(p.constant - 1.0 / 6) < 1e-6 && is_shifted_clip(r, rest, x);
      if (!hard && !clip) continue;
      report.done.push_back(display_name(*node) + ": the end of a HardSwish, fused");
      take_place(r, id, "HardSwish", {x});
      break;
    }
  }
  r.commit();
  return model;
}

}  // namespace bitwright
