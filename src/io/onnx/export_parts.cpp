#include "io/onnx/export_parts.hpp"

#include <algorithm>

#include "io/onnx/proto.hpp"

namespace bitwright::onnx {
namespace {

constexpr size_t kSmallTensor = 1024;  // stays in the model file: shapes and scales, which readers want at hand
constexpr size_t kAlignment = 64;

enum AttributeType : int32_t { kFloat = 1, kInt, kString, kTensor, kGraph, kFloats, kInts, kStrings };

Rope entry(const std::string& key, const std::string& value) {
  Rope rope;
  rope.writer().add_string(entry_field::key, key);
  rope.writer().add_string(entry_field::value, value);
  return rope;
}

Rope dimension(const Graph& graph, int64_t extent) {
  Rope rope;
  if (extent >= 0) rope.writer().add_int64(dim_field::value, extent);
  if (extent < 0 && extent != kUnknownDim) rope.writer().add_string(dim_field::param, graph.symbol_name(extent));
  return rope;
}

}  // namespace

Rope Encoder::tensor(const Tensor& tensor, const std::string& name, bool may_be_external) {
  namespace field = tensor_field;
  Rope rope;
  rope.writer().add_packed_int64(field::dims, tensor.shape().begin(), tensor.shape().end());
  rope.writer().add_int32(field::data_type, static_cast<int32_t>(tensor.dtype()));
  if (!name.empty()) rope.writer().add_string(field::name, name);
  if (tensor.dtype() == DType::string) {
    for (const std::string& text : tensor.strings()) rope.writer().add_bytes(field::string_data, text);
  } else if (external.wanted && may_be_external && tensor.bytes() >= kSmallTensor) {
    const size_t offset = (external.end + kAlignment - 1) / kAlignment * kAlignment;
    external.tensors.emplace_back(offset, tensor);
    external.end = offset + tensor.bytes();
    rope.add_message(field::external_data, entry("location", external.location));
    rope.add_message(field::external_data, entry("offset", str(offset)));
    rope.add_message(field::external_data, entry("length", str(tensor.bytes())));
    rope.writer().add_int32(field::data_location, 1);
  } else {
    rope.add_tensor(field::raw_data, tensor);
  }
  return rope;
}

Rope Encoder::attribute(const std::string& name, const Attribute& given) {
  namespace field = attribute_field;
  Rope rope;
  rope.writer().add_string(field::name, name);
  int32_t type = 0;
  if (const auto* f = std::get_if<float>(&given)) rope.writer().add_float(field::f, *f), type = kFloat;
  if (const auto* i = std::get_if<int64_t>(&given)) rope.writer().add_int64(field::i, *i), type = kInt;
  if (const auto* s = std::get_if<std::string>(&given)) rope.writer().add_bytes(field::s, *s), type = kString;
  if (const auto* t = std::get_if<Tensor>(&given)) rope.add_message(field::t, tensor(*t, {}, false)), type = kTensor;
  if (const auto* g = std::get_if<std::shared_ptr<Graph>>(&given)) rope.add_message(field::g, graph(**g)), type = kGraph;
  if (const auto* v = std::get_if<std::vector<float>>(&given)) {
    for (const float f : *v) rope.writer().add_float(field::floats, f);
    type = kFloats;
  }
  if (const auto* v = std::get_if<std::vector<int64_t>>(&given)) {
    for (const int64_t i : *v) rope.writer().add_int64(field::ints, i);
    type = kInts;
  }
  if (const auto* v = std::get_if<std::vector<std::string>>(&given)) {
    for (const std::string& s : *v) rope.writer().add_bytes(field::strings, s);
    type = kStrings;
  }
  rope.writer().add_int32(field::type, type);
  return rope;
}

Rope Encoder::node(const Node& node) {
  namespace field = node_field;
  Rope rope;
  auto name_of_value = [&](ValueId id) { return id == ValueId::none ? std::string() : names.at(id); };
  for (const ValueId id : node.inputs) rope.writer().add_string(field::input, name_of_value(id));
  for (const ValueId id : node.outputs) rope.writer().add_string(field::output, name_of_value(id));
  if (!node.name.empty()) rope.writer().add_string(field::name, node.name);
  rope.writer().add_string(field::op_type, node.op);
  if (!node.domain.empty()) rope.writer().add_string(field::domain, node.domain);
  for (const auto& [key, value] : node.attributes) rope.add_message(field::attribute, attribute(key, value));
  rope.append(node.unknown_fields);
  return rope;
}

Rope Encoder::value_info(const Graph& graph, const Value& value) const {
  Rope rope, tensor, type;
  rope.writer().add_string(value_info_field::name, names.at(value.id));
  if (value.dtype == DType::none) return rope;
  tensor.writer().add_int32(tensor_type_field::elem_type, static_cast<int32_t>(value.dtype));
  if (value.has_shape) {
    Rope shape;
    for (const int64_t extent : value.shape) shape.add_message(shape_field::dim, dimension(graph, extent));
    tensor.add_message(tensor_type_field::shape, std::move(shape));
  }
  type.add_message(type_field::tensor, std::move(tensor));
  rope.add_message(value_info_field::type, std::move(type));
  return rope;
}

Rope Encoder::graph(const Graph& g) {
  namespace field = graph_field;
  Rope rope;
  for (const Node& n : g.nodes) rope.add_message(field::node, node(n));
  rope.writer().add_string(field::name, g.name.empty() ? "graph" : g.name);
  std::vector<ValueId> constants;
  const Uses uses(g);
  for (const auto& [id, value] : g.values())
    if (value.is_constant() && !uses.of(id).empty()) constants.push_back(id);
  std::sort(constants.begin(), constants.end());
  for (const ValueId id : constants)
    rope.add_message(field::initializer, tensor(g.value(id).constant, names.at(id), true));
  for (const ValueId id : g.inputs) rope.add_message(field::input, value_info(g, g.value(id)));
  for (const ValueId id : g.outputs) rope.add_message(field::output, value_info(g, g.value(id)));
  rope.append(g.unknown_fields);
  return rope;
}

}  // namespace bitwright::onnx
