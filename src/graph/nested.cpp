#include "graph/nested.hpp"

namespace bitwright {
namespace {

void collect(const Graph& graph, std::vector<PlacedNode>& nodes) {
  for (const Node& node : graph.nodes) nodes.push_back({&graph, &node});
  for (const Node& node : graph.nodes) for_each_nested(node, [&](const Graph& nested) { collect(nested, nodes); });
}

}  // namespace

std::vector<PlacedNode> all_nodes(const Graph& graph) {
  std::vector<PlacedNode> nodes;
  collect(graph, nodes);
  return nodes;
}

PlacedNode placed_node(const Graph& graph, NodeId id) {
  if (const Node* own = graph.find_node(id)) return {&graph, own};
  PlacedNode found{nullptr, nullptr};
  for (const Node& node : graph.nodes)
    for_each_nested(node, [&](const Graph& nested) {
      if (!found.node) found = placed_node(nested, id);
    });
  return found;
}

}  // namespace bitwright
