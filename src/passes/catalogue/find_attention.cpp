// softmax(Q K^T * scale + mask) V is recognised and reported; it stays as small operators, because Attention-23 would hide
// what its two products read, which needs grids of its own (docs/quantization.md, Q20).
#include "passes/match.hpp"

namespace bitwright {
namespace {

/// Steps through scalings and masks: the product below them.
const Node* product_below(Rewriter& r, ValueId id) {
  for (int steps = 0; steps < 4; ++steps) {
    const Node* node = r.producer(id);
    if (!node || node->is("MatMul")) return node;
    if (!node->is("Mul") && !node->is("Div") && !node->is("Add") && !node->is("Where")) return nullptr;
    id = node->is("Where") ? node->input(2) : r.producer(node->input(0)) ? node->input(0) : node->input(1);
  }
  return nullptr;
}

}  // namespace

Model pass_find_attention(Model model, PassReport& report);
Model pass_find_attention(Model model, PassReport& report) {
  Rewriter r(model);
  for (const Node& node : model.graph.nodes) {
    if (!node.is("Softmax")) continue;
    const Node* scores = product_below(r, node.input(0));
    const Node* values = r.single_reader(node.output());
    if (scores && values && values->is("MatMul") && values->input(0) == node.output())
      report.kept.push_back(str(display_name(node), ": an attention from ", display_name(*scores), " to ", display_name(*values),
                                ", kept as small operators"));
  }
  return model;
}

}  // namespace bitwright
