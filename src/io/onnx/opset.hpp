// Which opset a graph is written in, and its nodes in the forms of that opset: each operator knows its older forms itself
// (Op::downgrade). What has none is refused by name.
#pragma once

#include <optional>

#include "graph/nested.hpp"
#include "graph/quantization.hpp"

namespace bitwright::onnx {

/// Nodes of nested graphs, too; visit(graph, node).
void for_each_node(const Graph& graph, const auto& visit) {
  for (const Node& node : graph.nodes) {
    visit(graph, node);
    for_each_nested(node, [&](const Graph& nested) { for_each_node(nested, visit); });
  }
}

/// A copy of the model's graph in an opset's forms: the asked one (7 to 25), or the lowest from 13 that has a form for every
/// node; `opset` receives it. Error{usage} for another number, Error{unsupported} naming the node that has no form.
Graph lowered(const Model& model, std::optional<int> asked, int& opset);

/// The lowest version of the file format that goes with an opset.
int64_t ir_version_of(int opset);

}  // namespace bitwright::onnx
