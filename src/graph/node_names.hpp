// Names of nodes: what messages, overrides and the metadata of a file find them by. ONNX wants them to differ, or to be
// empty, over all graphs of a file; graphs in memory may hold a name twice (inlined functions, files of other tools).
#pragma once

#include <map>
#include <string>
#include <unordered_set>

#include "graph/graph.hpp"

namespace bitwright {

class NodeNames {
 public:
  /// Takes the names of the graph and of those nested in it. A node whose name an earlier one has gets another ("conv_1"),
  /// which no node had before; all other names stay, empty ones too.
  explicit NodeNames(Graph& graph);

  /// `stem`, or stem_1, stem_2 ...: the first that no node has. It is taken from now on.
  std::string unique(const std::string& stem);

 private:
  std::unordered_set<std::string> used_;
  std::map<std::string, int> tried_;  // by stem: a thousand nodes of one name are no thousand thousand questions

  void collect(const Graph& graph);
  void separate(Graph& graph, std::unordered_set<std::string>& seen);
};

}  // namespace bitwright
