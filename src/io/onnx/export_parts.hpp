// Encoding of the parts of an ONNX file: tensors, attributes, graphs. export.cpp decides opset and names.
#pragma once

#include <unordered_map>

#include "graph/graph.hpp"
#include "io/onnx/rope.hpp"

namespace bitwright::onnx {

/// Tensors that go to the file beside the model, each at a multiple of 64 bytes.
struct External {
  bool wanted = false;
  std::string location;
  std::vector<std::pair<size_t, Tensor>> tensors;  // offset, contents
  size_t end = 0;
};

using ValueNames = std::unordered_map<ValueId, std::string>;

struct Encoder {
  const ValueNames& names;
  External& external;

  Rope tensor(const Tensor& tensor, const std::string& name, bool may_be_external);
  Rope attribute(const std::string& name, const Attribute& attribute);
  Rope node(const Node& node);
  Rope value_info(const Graph& graph, const Value& value) const;
  Rope graph(const Graph& graph);
};

}  // namespace bitwright::onnx
