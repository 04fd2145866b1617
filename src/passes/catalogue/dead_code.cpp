// Nodes whose outputs nobody reads.
#include <algorithm>

#include "graph/rewriter.hpp"
#include "passes/pass.hpp"

namespace bitwright {

Model pass_dead_code(Model model, PassReport& report);
Model pass_dead_code(Model model, PassReport& report) {
  // From the outputs backwards; a node with nested graphs reads what these read.
  const Uses uses(model.graph);
  std::set<NodeId> alive;
  const auto& nodes = model.graph.nodes;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    const bool read = std::any_of(node->outputs.begin(), node->outputs.end(), [&](ValueId id) {
      const auto& of = uses.of(id);
      return std::any_of(of.begin(), of.end(), [&](const Use& u) { return u.node == NodeId::none || alive.count(u.node); });
    });
    if (read) alive.insert(node->id);
  }
  Rewriter r(model);
  for (const NodeId id : r.nodes()) {
    if (alive.count(id)) continue;
    report.done.push_back(display_name(*r.node(id)) + ": removed, nobody reads its outputs");
    r.erase(id);
  }
  r.commit();
  return model;
}

}  // namespace bitwright
