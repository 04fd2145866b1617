// Types and shapes that a graph does not tell, worked out node by node.
#pragma once

#include <unordered_map>

#include "ops/op.hpp"

namespace bitwright {

/// Walks a graph in its order and knows of each value what can be known: types and shapes, extents without a number taken
/// as 1. An operator that such extents do not fit, or that we do not know, makes values of which nothing is known.
class ShapeWalk {
 public:
  explicit ShapeWalk(const Graph& graph);
  /// What the node makes is known from here on, as far as its inputs are.
  void add(const Node& node);
  /// Types and shapes (constants: contents); nullptr where nothing is known.
  const Tensor* find(ValueId id) const;
  /// Every extent is a number in the graph, too.
  bool exact() const { return exact_; }

 private:
  const Graph& graph_;
  std::unordered_map<ValueId, Tensor> known_;
  bool exact_ = true;
};

/// Writes what the file does not tell into the values of the graph: shapes in full where the inputs' are numbers, else how
/// many axes there are.
void infer_shapes(Graph& graph);

}  // namespace bitwright
