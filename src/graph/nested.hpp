// Nodes of a graph and of the graphs nested in it (branches of If, bodies of Loop and Scan) in one list: ids are unique over
// all of them, so the quantization can speak of any.
#pragma once

#include "graph/graph.hpp"

namespace bitwright {

void for_each_nested(const Node& node, const auto& visit) {
  for (const auto& [key, attribute] : node.attributes)
    if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) visit(**nested);
}

/// A node and the graph it stands in.
struct PlacedNode {
  const Graph* graph;
  const Node* node;
};
/// The graph's own nodes in order, then those of each nested graph, likewise.
std::vector<PlacedNode> all_nodes(const Graph& graph);
/// Nulls where there is no such node.
PlacedNode placed_node(const Graph& graph, NodeId id);

}  // namespace bitwright
