#include "ops/infer.hpp"

#include <algorithm>

namespace bitwright {

ShapeWalk::ShapeWalk(const Graph& graph) : graph_(graph) {
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    Shape shape = value.shape;
    for (int64_t& extent : shape)
      if (extent < 0) extent = 1, exact_ = false;
    if (value.has_shape && value.dtype != DType::none) known_[id] = Tensor::described(value.dtype, shape);
  }
}

const Tensor* ShapeWalk::find(ValueId id) const {
  if (const auto at = known_.find(id); at != known_.end()) return &at->second;
  return graph_.constant(id);
}

void ShapeWalk::add(const Node& node) {
  if (!exact_ && node.is("Squeeze") && node.input(1) == ValueId::none) return;  // an extent taken as 1 is not known to be
  std::vector<Tensor> inputs, outputs;
  for (const ValueId id : node.inputs) {
    const Tensor* tensor = find(id);
    if (!tensor && id != ValueId::none) return;
    inputs.push_back(tensor ? *tensor : Tensor());
  }
  try {
    if (!infer_outputs(node, inputs, outputs)) return;
  } catch (const Error&) {
    return;  // an operator that we do not know, or extents of 1 that do not fit
  }
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i] != ValueId::none && !outputs[i].empty()) known_[node.outputs[i]] = outputs[i];
}

void infer_shapes(Graph& graph) {
  ShapeWalk walk(graph);
  for (const Node& node : graph.nodes) {
    walk.add(node);
    for (const ValueId id : node.outputs) {
      const Tensor* made = id == ValueId::none ? nullptr : walk.find(id);
      if (!made) continue;
      Value& value = graph.value(id);
      if (value.dtype == DType::none) value.dtype = made->dtype();
      if (!value.has_shape) value.shape = walk.exact() ? made->shape() : Shape(made->shape().size(), kUnknownDim);
      value.has_shape = true;
    }
  }
}

}  // namespace bitwright
