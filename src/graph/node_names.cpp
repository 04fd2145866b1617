#include "graph/node_names.hpp"

#include "core/text.hpp"
#include "graph/nested.hpp"

namespace bitwright {

NodeNames::NodeNames(Graph& graph) {
  collect(graph);
  std::unordered_set<std::string> seen;
  separate(graph, seen);
}

void NodeNames::collect(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    used_.insert(node.name);
    for_each_nested(node, [&](const Graph& nested) { collect(nested); });
  }
}

void NodeNames::separate(Graph& graph, std::unordered_set<std::string>& seen) {
  for (Node& node : graph.nodes) {
    if (!node.name.empty() && !seen.insert(node.name).second) node.name = unique(node.name);
    for_each_nested(node, [&](Graph& nested) { separate(nested, seen); });
  }
}

std::string NodeNames::unique(const std::string& stem) {
  if (used_.insert(stem).second) return stem;
  for (int& i = tried_[stem];;)
    if (const std::string name = str(stem, "_", ++i); used_.insert(name).second) return name;
}

}  // namespace bitwright
