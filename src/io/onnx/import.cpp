// ModelProto -> Model. Reading order inside a graph: names of all values first, then nodes, so that files whose nodes are
// out of order (they exist) are sorted instead of refused. Functions are inlined, Constant nodes become constants, old
// operator forms are upgraded by the operators themselves (Op::upgrade).
#include <filesystem>
#include <set>

#include "core/mapped_file.hpp"
#include "graph/state.hpp"
#include "io/onnx/onnx.hpp"
#include "io/onnx/proto.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace onnx {
namespace {

using Reader = protozero::pbf_reader;
using Names = std::map<std::string, ValueId>;
using Opsets = std::map<std::string, int64_t>;

constexpr int kMaxDepth = 32;  // nested graphs and functions
constexpr size_t kMostInlined = 1 << 18;  // nodes from functions: a few calls of calls could ask for billions

struct Function {
  std::string name, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Reader> nodes;
  Opsets opsets;
  std::vector<Reader> default_attributes;
};

/// Everything reading one graph needs; nested graphs get a copy with `parent` set.
struct Scope {
  Graph* graph;
  const Scope* parent = nullptr;
  Names names;
  std::string prefix;  // of names inside inlined functions
  const Opsets* opsets;
  const std::map<std::string, Attribute>* function_attributes = nullptr;
  int depth = 0;

  ValueId find(const std::string& name) const {
    for (const Scope* s = this; s; s = s->parent)
      if (const auto at = s->names.find(name); at != s->names.end()) return at->second;
    return ValueId::none;
  }
};

std::string normal_domain(std::string domain) { return domain == "ai.onnx" ? "" : domain; }

class Importer {
 public:
  Importer(Source source, Model& model) : source_(std::move(source)), model_(model) {}

  void read_model(Reader message) {
    std::vector<Reader> graphs;
    while (message.next()) {
      switch (message.tag()) {
        case model_field::ir_version: model_.info.ir_version = message.get_int64(); break;
        case model_field::producer_name: model_.info.producer = text(message); break;
        case model_field::producer_version: model_.info.producer_version = text(message); break;
        case model_field::domain: model_.info.domain = text(message); break;
        case model_field::version: model_.info.version = message.get_int64(); break;
        case model_field::doc: model_.info.doc = text(message); break;
        case model_field::graph: graphs.push_back(message.get_message()); break;
        case model_field::opset_import: read_opset(message.get_message(), model_.info.opsets); break;
        case model_field::metadata: read_metadata(message.get_message()); break;
        case model_field::functions: read_function(message.get_message()); break;
        default: message.skip();
      }
    }
    if (graphs.size() != 1) fail(ErrorCode::malformed, "holds ", graphs.size(), " graphs: not an ONNX model");
    if (!model_.info.opsets.count("")) model_.info.opsets[""] = 1;
    const int64_t opset = model_.info.opsets[""];
    if (opset > kNewestOpset)
      model_.info.notes.push_back(str("opset ", opset, " is newer than ", kNewestOpset, ": operators are read as of that"));
    Scope scope{.graph = &model_.graph, .opsets = &model_.info.opsets};
    read_graph(graphs[0], scope, true);
    read_state();
  }

 private:
  static constexpr int64_t kNewestOpset = 25;  // which added types only

  static void read_opset(Reader message, Opsets& opsets) {
    std::string domain;
    int64_t version = 1;
    while (message.next()) {
      switch (message.tag()) {
        case opset_field::domain: domain = text(message); break;
        case opset_field::version: version = message.get_int64(); break;
        default: message.skip();
      }
    }
    opsets[normal_domain(domain)] = version;
  }

  void read_metadata(Reader message) {
    std::string key, value;
    while (message.next()) {
      switch (message.tag()) {
        case entry_field::key: key = text(message); break;
        case entry_field::value: value = text(message); break;
        default: message.skip();
      }
    }
    model_.info.metadata[key] = value;
  }

  // What export.cpp wrote: bitwright.state/INPUT = OUTPUT. Pairs that do not fit the graph are left out, with a note.
  void read_state() {
    auto& metadata = model_.info.metadata;
    for (auto at = metadata.lower_bound(kStateKey); at != metadata.end() && at->first.rfind(kStateKey, 0) == 0;) {
      const std::string pair = at->first.substr(kStateKey.size()) + "=" + at->second;
      try {
        declare_state(model_.graph, {&pair, 1});
      } catch (const Error& e) {
        model_.info.notes.push_back(e.what());
      }
      at = metadata.erase(at);
    }
  }

  void read_function(Reader message) {
    Function f;
    while (message.next()) {
      switch (message.tag()) {
        case function_field::name: f.name = text(message); break;
        case function_field::domain: f.domain = normal_domain(text(message)); break;
        case function_field::input: f.inputs.push_back(text(message)); break;
        case function_field::output: f.outputs.push_back(text(message)); break;
        case function_field::node: f.nodes.push_back(message.get_message()); break;
        case function_field::opset_import: read_opset(message.get_message(), f.opsets); break;
        case function_field::attribute_proto: f.default_attributes.push_back(message.get_message()); break;
        default: message.skip();
      }
    }
    functions_[{f.domain, f.name}] = std::move(f);
  }

  // ---- values

  ValueId declare(Scope& scope, const std::string& name) {
    const ValueId id = scope.graph->add_value(scope.prefix + name);
    if (!scope.names.emplace(name, id).second)
      fail(ErrorCode::malformed, "value '", name, "' is made twice in graph '", scope.graph->name, "'");
    return id;
  }

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

  /// ValueInfoProto: the name; type and shape go to the value of that name, which `make` creates if it is not there.
  std::string read_value_info(Reader message, Scope& scope, bool make) {
    std::string name;
    DType dtype = DType::none;
    bool has_shape = false;
    Shape shape;
    while (message.next()) {
      if (message.tag() == value_info_field::name) {
        name = text(message);
      } else if (message.tag() == value_info_field::type) {
        Reader type = message.get_message();
        while (type.next()) {
          if (type.tag() != type_field::tensor) {
            type.skip();
            continue;
          }
          Reader tensor = type.get_message();
          while (tensor.next()) {
            if (tensor.tag() == tensor_type_field::elem_type) {
              const int32_t number = tensor.get_int32();
              dtype = number > 0 && number < kDTypeCount ? static_cast<DType>(number) : DType::none;
            } else if (tensor.tag() == tensor_type_field::shape) {
              has_shape = true;
              shape = read_shape(tensor.get_message(), *scope.graph);
            } else {
              tensor.skip();
            }
          }
        }
      } else {
        message.skip();
      }
    }
    if (make && !scope.names.count(name)) declare(scope, name);
    if (const auto at = scope.names.find(name); at != scope.names.end()) {
      Value& value = scope.graph->value(at->second);
      if (!value.is_constant()) {
        value.dtype = dtype;
        value.has_shape = has_shape;
        value.shape = std::move(shape);
      }
    }
    return name;
  }

  void add_constant(Scope& scope, const std::string& name, Tensor tensor) {
    const ValueId id = scope.graph->add_constant(scope.prefix + name, std::move(tensor));
    if (!scope.names.emplace(name, id).second)
      fail(ErrorCode::malformed, "value '", name, "' is made twice in graph '", scope.graph->name, "'");
  }

  // ---- graphs

  struct GraphParts {
    std::vector<Reader> nodes, initializers, sparse, inputs, outputs, infos;
  };

  void read_graph(Reader message, Scope& scope, bool top) {
    if (scope.depth > kMaxDepth) fail(ErrorCode::malformed, "graphs are nested deeper than ", kMaxDepth);
    GraphParts parts;
    while (message.next()) {
      switch (message.tag()) {
        case graph_field::node: parts.nodes.push_back(message.get_message()); break;
        case graph_field::name: scope.graph->name = text(message); break;
        case graph_field::initializer: parts.initializers.push_back(message.get_message()); break;
        case graph_field::sparse_initializer: parts.sparse.push_back(message.get_message()); break;
        case graph_field::input: parts.inputs.push_back(message.get_message()); break;
        case graph_field::output: parts.outputs.push_back(message.get_message()); break;
        case graph_field::value_info: parts.infos.push_back(message.get_message()); break;
        default: message.skip();
      }
    }
    for (const Reader& r : parts.initializers) {
      std::string name;
      Tensor tensor = read_tensor(r, source_, &name);
      add_constant(scope, name, std::move(tensor));
    }
    for (const Reader& r : parts.sparse) {
      std::string name;
      Tensor tensor = read_sparse_tensor(r, source_, &name);
      add_constant(scope, name, std::move(tensor));
    }
    for (const Reader& r : parts.inputs) {
      const std::string name = read_value_info(r, scope, true);
      const ValueId id = scope.names.at(name);
      // Before IR 4 every initializer was listed as an input too; a default that may be overridden is taken as constant.
      if (!scope.graph->value(id).is_constant()) scope.graph->inputs.push_back(id);
    }
    read_nodes(parts.nodes, scope);
    for (const Reader& r : parts.infos) read_value_info(r, scope, false);
    for (const Reader& r : parts.outputs) {
      const std::string name = value_info_name(r);
      ValueId id = scope.find(name);
      if (id == ValueId::none) fail(ErrorCode::malformed, "graph output '", name, "' is made by no node");
      if (scope.names.count(name)) read_value_info(r, scope, false);
      scope.graph->outputs.push_back(id);
    }
    if (top && scope.graph->outputs.empty()) fail(ErrorCode::malformed, "the graph has no outputs");
    sort_nodes(*scope.graph);
  }

  static std::string value_info_name(Reader message) {
    std::string name;
    while (message.next()) {
      if (message.tag() == value_info_field::name) {
        name = text(message);
      } else {
        message.skip();
      }
    }
    return name;
  }

  // ---- nodes

  struct RawNode {
    std::vector<std::string> inputs, outputs;
    std::vector<Reader> attributes;
    Node node;
  };

  static RawNode read_raw(Reader message) {
    RawNode raw;
    for (;;) {
      const char* begin = message.data().data();
      if (!message.next()) break;
      switch (message.tag()) {
        case node_field::input: raw.inputs.push_back(text(message)); break;
        case node_field::output: raw.outputs.push_back(text(message)); break;
        case node_field::name: raw.node.name = text(message); break;
        case node_field::op_type: raw.node.op = text(message); break;
        case node_field::domain: raw.node.domain = normal_domain(text(message)); break;
        case node_field::attribute: raw.attributes.push_back(message.get_message()); break;
        case node_field::doc: message.skip(); break;
        default:
          message.skip();
          raw.node.unknown_fields.append(begin, static_cast<size_t>(message.data().data() - begin));
      }
    }
    return raw;
  }

  void read_nodes(const std::vector<Reader>& readers, Scope& scope) {
    if (scope.function_attributes && (inlined_nodes_ += readers.size()) > kMostInlined)
      fail(ErrorCode::resource, "its functions unfold to more than ", kMostInlined, " nodes");
    std::vector<RawNode> raws;
    for (const Reader& r : readers) {
      raws.push_back(read_raw(r));
      for (const std::string& name : raws.back().outputs)
        if (!name.empty()) declare(scope, name);
    }
    for (RawNode& raw : raws) add_node(raw, scope);
  }

  void add_node(RawNode& raw, Scope& scope) {
    Node node = std::move(raw.node);
    node.name = node.name.empty() ? node.name : scope.prefix + node.name;
    node.id = scope.graph->new_node_id();
    for (const std::string& name : raw.inputs) {
      const ValueId id = name.empty() ? ValueId::none : scope.find(name);
      if (id == ValueId::none && !name.empty())
        fail(ErrorCode::malformed, display_name(node), ": reads '", name, "', which nothing makes");
      node.inputs.push_back(id);
    }
    for (const std::string& name : raw.outputs)
      node.outputs.push_back(name.empty() ? ValueId::none : scope.names.at(name));
    while (!node.inputs.empty() && node.inputs.back() == ValueId::none) node.inputs.pop_back();
    try {
      for (const Reader& r : raw.attributes) read_attribute(r, scope, node);
    } catch (const Error& e) {
      throw e.within(display_name(node));
    }
    if (const auto at = functions_.find({node.domain, node.op}); at != functions_.end()) {
      inline_function(at->second, node, scope);
    } else if (node.is("Constant")) {
      make_constant(node, scope);
    } else {
      upgrade(std::move(node), scope);
    }
  }

  void make_constant(const Node& node, Scope& scope) {
    if (node.attributes.size() != 1 || node.outputs.size() != 1 || node.outputs[0] == ValueId::none)
      fail(ErrorCode::malformed, display_name(node), ": wants one value and one output");
    const Attribute& given = node.attributes.begin()->second;
    Tensor tensor;
    if (const auto* t = std::get_if<Tensor>(&given)) tensor = *t;
    if (const auto* f = std::get_if<float>(&given)) tensor = Tensor::scalar(*f);
    if (const auto* i = std::get_if<int64_t>(&given)) tensor = Tensor::scalar(*i);
    if (const auto* s = std::get_if<std::string>(&given)) tensor = Tensor::of_strings({}, {*s});
    if (const auto* v = std::get_if<std::vector<float>>(&given))
      tensor = Tensor::of<float>({static_cast<int64_t>(v->size())}, *v);
    if (const auto* v = std::get_if<std::vector<int64_t>>(&given))
      tensor = Tensor::of<int64_t>({static_cast<int64_t>(v->size())}, *v);
    if (const auto* v = std::get_if<std::vector<std::string>>(&given))
      tensor = Tensor::of_strings({static_cast<int64_t>(v->size())}, *v);
    if (tensor.empty()) fail(ErrorCode::unsupported, display_name(node), ": this kind of constant is not supported");
    Value& value = scope.graph->value(node.outputs[0]);
    value.dtype = tensor.dtype();
    value.has_shape = true;
    value.shape = tensor.shape();
    value.constant = std::move(tensor);
  }

  void upgrade(Node node, Scope& scope) {
    const Op* op = find_op(node.domain, node.op);
    std::vector<Node> before, after;
    if (op && op->upgrade) {
      const auto at = scope.opsets->find(node.domain);
      const int64_t opset = at == scope.opsets->end() ? 1 : at->second;
      UpgradeContext context{*scope.graph, node, static_cast<int>(opset), before, after};
      op->upgrade(context);
    }
    auto& nodes = scope.graph->nodes;
    for (Node& n : before) nodes.push_back(std::move(n));
    nodes.push_back(std::move(node));
    for (Node& n : after) nodes.push_back(std::move(n));
  }

  void inline_function(const Function& f, const Node& call, Scope& scope) {
    if (scope.depth > kMaxDepth) fail(ErrorCode::malformed, display_name(call), ": functions call each other too deep");
    // Attributes of the call, completed by the function's defaults.
    Node defaults;
    for (const Reader& r : f.default_attributes) read_attribute(r, scope, defaults);
    std::map<std::string, Attribute> attributes = call.attributes;
    attributes.insert(defaults.attributes.begin(), defaults.attributes.end());
    Opsets opsets = *scope.opsets;
    for (const auto& [domain, version] : f.opsets) opsets[domain] = version;

    Scope inner{.graph = scope.graph, .prefix = str(scope.prefix, f.name, "#", ++inlined_, "/"), .opsets = &opsets,
                .function_attributes = &attributes, .depth = scope.depth + 1};
    for (size_t i = 0; i < f.inputs.size(); ++i) inner.names[f.inputs[i]] = call.input(i);
    read_nodes(f.nodes, inner);
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      if (call.outputs[i] == ValueId::none) continue;
      const ValueId made = i < f.outputs.size() ? inner.find(f.outputs[i]) : ValueId::none;
      if (made == ValueId::none) fail(ErrorCode::malformed, display_name(call), ": the function makes no output ", i);
      scope.graph->add_node("Identity", {made}, {call.outputs[i]});
    }
  }

  // ---- attributes

  void read_attribute(Reader message, Scope& scope, Node& node) {
    std::string name, ref;
    Attribute value;
    bool given = false;
    int64_t type = 0;
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    auto set = [&](Attribute v) { value = std::move(v), given = true; };
    while (message.next()) {
      switch (message.tag()) {
        case attribute_field::name: name = text(message); break;
        case attribute_field::ref_name: ref = text(message); break;
        case attribute_field::type: type = message.get_int32(); break;
        case attribute_field::f: set(message.get_float()); break;
        case attribute_field::i: set(message.get_int64()); break;
        case attribute_field::s: set(text(message)); break;
        case attribute_field::t: set(read_tensor(message.get_message(), source_)); break;
        case attribute_field::sparse_tensor: {
          std::string unused;
          set(read_sparse_tensor(message.get_message(), source_, &unused));
          break;
        }
        case attribute_field::g: {
          auto nested = std::make_shared<Graph>(*scope.graph, nullptr);
          Scope inner{.graph = nested.get(), .parent = &scope, .prefix = scope.prefix, .opsets = scope.opsets,
                      .function_attributes = scope.function_attributes, .depth = scope.depth + 1};
          read_graph(message.get_message(), inner, false);
          set(nested);
          break;
        }
        case attribute_field::floats:
          if (message.has_wire_type(protozero::pbf_wire_type::length_delimited)) {
            for (const float v : message.get_packed_float()) floats.push_back(v);
          } else {
            floats.push_back(message.get_float());
          }
          break;
        case attribute_field::ints: read_ints(message, ints); break;
        case attribute_field::strings: strings.push_back(text(message)); break;
        default: message.skip();
      }
    }
    if (!ref.empty()) {
      if (!scope.function_attributes) fail(ErrorCode::malformed, "attribute '", name, "' refers to '", ref, "' outside a function");
      const auto at = scope.function_attributes->find(ref);
      if (at != scope.function_attributes->end()) node.attributes[name] = at->second;
      return;
    }
    enum : int64_t { kFloat = 1, kInt, kString, kTensor, kGraph, kFloats, kInts, kStrings };
    if (!floats.empty() || type == kFloats) {
      set(floats);
    } else if (!ints.empty() || type == kInts) {
      set(ints);
    } else if (!strings.empty() || type == kStrings) {
      set(strings);
    } else if (!given) {  // proto3 leaves out zeros
      if (type == kFloat) set(0.0f);
      if (type == kInt) set(int64_t{0});
      if (type == kString) set(std::string());
    }
    if (!given) fail(ErrorCode::unsupported, "attribute '", name, "' of type ", type, " is not supported");
    node.attributes[name] = std::move(value);
  }

  Source source_;
  Model& model_;
  std::map<std::pair<std::string, std::string>, Function> functions_;
  int inlined_ = 0;
  size_t inlined_nodes_ = 0;
};

}  // namespace
}  // namespace onnx

namespace {

Model read_bytes(std::span<const std::byte> bytes, const std::string& name, onnx::Source source) {
  Model model;
  try {
    if (bytes.empty()) fail(ErrorCode::malformed, "is empty");
    onnx::Importer importer(std::move(source), model);
    importer.read_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    verify(model.graph);
  } catch (const protozero::exception& e) {
    fail(ErrorCode::malformed, name, ": is not an ONNX model or is cut off: ", e.what());
  } catch (const Error& e) {
    throw e.within(name);
  }
  return model;
}

}  // namespace

Model read_onnx(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  return read_bytes(file.bytes, path, {file.keep, std::make_shared<onnx::ExternalData>(folder), path});
}

Model read_onnx(std::span<const std::byte> bytes, const std::string& name) {
  return read_bytes(bytes, name, {nullptr, std::make_shared<onnx::ExternalData>(""), name});
}

}  // namespace bitwright
