#include "io/onnx/import_graph.hpp"

namespace bitwright::onnx {

void name_value(Scope& scope, const std::string& name, ValueId id) {
  if (!scope.names.emplace(name, id).second)
    fail(ErrorCode::malformed, "value '", name, "' is made twice in graph '", scope.graph->name, "'");
}

ValueId declare(Scope& scope, const std::string& name) {
  const ValueId id = scope.graph->add_value(scope.prefix + name);
  name_value(scope, name, id);
  return id;
}

namespace {

constexpr int kMaxDepth = 32;  // of nested graphs

Shape read_shape(Reader message, Graph& graph) {
  Shape shape;
  while (message.next()) {
    if (message.tag() != shape_field::dim) {
      message.skip();
      continue;
    }
    Reader dim = message.get_message();
    int64_t extent = kUnknownDim;
    while (dim.next()) {
      switch (dim.tag()) {
        case dim_field::value:
          extent = dim.get_int64();
          if (extent < 0) extent = kUnknownDim;  // some tools write -1 for a free dimension
          break;
        case dim_field::param: extent = graph.symbol(text(dim)); break;
        default: dim.skip();
      }
    }
    shape.push_back(extent);
  }
  return shape;
}

struct ValueInfo {
  std::string name;
  DType dtype = DType::none;
  bool has_shape = false;
  Shape shape;
};

void read_tensor_type(Reader message, Graph& graph, ValueInfo& info) {
  while (message.next()) {
    if (message.tag() == tensor_type_field::elem_type) {
      const int32_t number = message.get_int32();
      info.dtype = number > 0 && number < kDTypeCount ? static_cast<DType>(number) : DType::none;
    } else if (message.tag() == tensor_type_field::shape) {
      info.has_shape = true;
      info.shape = read_shape(message.get_message(), graph);
    } else {
      message.skip();
    }
  }
}

ValueInfo read_value_info(Reader message, Graph& graph) {
  ValueInfo info;
  while (message.next()) {
    if (message.tag() == value_info_field::name) {
      info.name = text(message);
    } else if (message.tag() == value_info_field::type) {
      Reader type = message.get_message();
      while (type.next())
        if (type.tag() == type_field::tensor) read_tensor_type(type.get_message(), graph, info);
        else type.skip();
    } else {
      message.skip();
    }
  }
  return info;
}

/// Type and shape go to the value of that name, if the scope has one that is no constant.
void describe(Scope& scope, ValueInfo info) {
  const auto at = scope.names.find(info.name);
  if (at == scope.names.end()) return;
  Value& value = scope.graph->value(at->second);
  if (value.is_constant()) return;
  value.dtype = info.dtype;
  value.has_shape = info.has_shape;
  value.shape = std::move(info.shape);
}

void add_constant(Scope& scope, const std::string& name, Tensor tensor) {
  name_value(scope, name, scope.graph->add_constant(scope.prefix + name, std::move(tensor)));
}

}  // namespace

void GraphReader::read(Reader message, Scope& scope) {
  if (scope.depth > kMaxDepth) fail(ErrorCode::malformed, "graphs are nested deeper than ", kMaxDepth);
  std::vector<Reader> nodes, initializers, sparse, inputs, outputs, infos;
  for (;;) {
    const char* begin = message.data().data();
    if (!message.next()) break;
    switch (message.tag()) {
      case graph_field::node: nodes.push_back(message.get_message()); break;
      case graph_field::name: scope.graph->name = text(message); break;
      case graph_field::initializer: initializers.push_back(message.get_message()); break;
      case graph_field::sparse_initializer: sparse.push_back(message.get_message()); break;
      case graph_field::input: inputs.push_back(message.get_message()); break;
      case graph_field::output: outputs.push_back(message.get_message()); break;
      case graph_field::value_info: infos.push_back(message.get_message()); break;
      case graph_field::doc:
      case graph_field::metadata:
        message.skip();
        scope.graph->unknown_fields.append(begin, static_cast<size_t>(message.data().data() - begin));
        break;
      default: message.skip();
    }
  }
  for (const Reader& r : initializers) {
    std::string name;
    Tensor tensor = read_tensor(r, source_, &name);
    add_constant(scope, name, std::move(tensor));
  }
  for (const Reader& r : sparse) {
    std::string name;
    Tensor tensor = read_sparse_tensor(r, source_, &name);
    add_constant(scope, name, std::move(tensor));
  }
  read_inputs(inputs, scope);
  read_nodes(nodes, scope);
  for (const Reader& r : infos) describe(scope, read_value_info(r, *scope.graph));
  read_outputs(outputs, scope);
  sort_nodes(*scope.graph);
}

void GraphReader::read_inputs(const std::vector<Reader>& inputs, Scope& scope) {
  for (const Reader& r : inputs) {
    ValueInfo info = read_value_info(r, *scope.graph);
    const auto at = scope.names.find(info.name);
    const ValueId id = at == scope.names.end() ? declare(scope, info.name) : at->second;
    describe(scope, std::move(info));
    // Before IR 4 every initializer was listed as an input too; a default that may be overridden is taken as constant.
    if (!scope.graph->value(id).is_constant()) scope.graph->inputs.push_back(id);
  }
}

void GraphReader::read_outputs(const std::vector<Reader>& outputs, Scope& scope) {
  for (const Reader& r : outputs) {
    ValueInfo info = read_value_info(r, *scope.graph);
    const ValueId id = scope.find(info.name);
    if (id == ValueId::none) fail(ErrorCode::malformed, "graph output '", info.name, "' is made by no node");
    describe(scope, std::move(info));
    scope.graph->outputs.push_back(id);
  }
}

}  // namespace bitwright::onnx
