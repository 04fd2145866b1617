// Nodes and their attributes.
#include "io/onnx/before_7.hpp"
#include "io/onnx/import_graph.hpp"

namespace bitwright::onnx {
namespace {

constexpr int kMaxDepth = 32;             // of functions that call each other
constexpr size_t kMostInlined = 1 << 18;  // nodes from functions: a few calls of calls could ask for billions

/// Nothing for a kind that no constant has.
Tensor tensor_of(const Attribute& given) {
  if (const auto* t = std::get_if<Tensor>(&given)) return *t;
  if (const auto* f = std::get_if<float>(&given)) return Tensor::scalar(*f);
  if (const auto* i = std::get_if<int64_t>(&given)) return Tensor::scalar(*i);
  if (const auto* s = std::get_if<std::string>(&given)) return Tensor::of_strings({}, {*s});
  if (const auto* v = std::get_if<std::vector<float>>(&given)) return Tensor::of<float>({std::ssize(*v)}, *v);
  if (const auto* v = std::get_if<std::vector<int64_t>>(&given)) return Tensor::of<int64_t>({std::ssize(*v)}, *v);
  if (const auto* v = std::get_if<std::vector<std::string>>(&given)) return Tensor::of_strings({std::ssize(*v)}, *v);
  return {};
}

void make_constant(const Node& node, Graph& graph) {
  if (node.attributes.size() != 1 || node.outputs.size() != 1 || node.outputs[0] == ValueId::none)
    fail(ErrorCode::malformed, display_name(node), ": wants one value and one output");
  Tensor tensor = tensor_of(node.attributes.begin()->second);
  if (tensor.empty()) fail(ErrorCode::unsupported, display_name(node), ": this kind of constant is not supported");
  Value& value = graph.value(node.outputs[0]);
  value.dtype = tensor.dtype();
  value.has_shape = true;
  value.shape = tensor.shape();
  value.constant = std::move(tensor);
}

void upgrade(Node node, Scope& scope) {
  const Op* op = find_op(node.domain, node.op);
  std::vector<Node> before, after;
  const auto at = scope.opsets->find(node.domain);
  const int64_t opset = at == scope.opsets->end() ? 1 : at->second;
  const bool old = node.domain.empty() && opset < 7;
  UpgradeContext context{*scope.graph, node, static_cast<int>(opset), before, after};
  if (old && !scope.walk) scope.walk = std::make_shared<ShapeWalk>(*scope.graph);
  if (old) upgrade_before_7(context, *scope.walk);
  if (op && op->upgrade) op->upgrade(context);
  if (old) {
    for (const Node& n : before) scope.walk->add(n);
    scope.walk->add(node);
    for (const Node& n : after) scope.walk->add(n);
  }
  auto& nodes = scope.graph->nodes;
  for (Node& n : before) nodes.push_back(std::move(n));
  nodes.push_back(std::move(node));
  for (Node& n : after) nodes.push_back(std::move(n));
}

void read_floats(Reader& message, std::vector<float>& out) {
  if (!message.has_wire_type(protozero::pbf_wire_type::length_delimited)) return out.push_back(message.get_float());
  for (const float v : message.get_packed_float()) out.push_back(v);
}

}  // namespace

Attribute GraphReader::value_of(RawAttribute& raw) {
  enum : int64_t { kFloat = 1, kInt, kString, kTensor, kGraph, kFloats, kInts, kStrings };
  if (!raw.floats.empty() || raw.type == kFloats) return std::move(raw.floats);
  if (!raw.ints.empty() || raw.type == kInts) return std::move(raw.ints);
  if (!raw.strings.empty() || raw.type == kStrings) return std::move(raw.strings);
  if (raw.one) return std::move(*raw.one);
  if (raw.type == kFloat) return 0.0f;  // proto3 leaves out zeros
  if (raw.type == kInt) return int64_t{0};
  if (raw.type == kString) return std::string();
  fail(ErrorCode::unsupported, "attribute '", raw.name, "' of type ", raw.type, " is not supported");
}

GraphReader::RawNode GraphReader::read_raw(Reader message) {
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
      default:
        message.skip();
        raw.node.unknown_fields.append(begin, static_cast<size_t>(message.data().data() - begin));
    }
  }
  return raw;
}

void GraphReader::read_nodes(const std::vector<Reader>& readers, Scope& scope) {
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

void GraphReader::add_node(RawNode& raw, Scope& scope) {
  Node node = std::move(raw.node);
  node.name = node.name.empty() ? node.name : scope.prefix + node.name;
  node.id = scope.graph->new_node_id();
  for (const std::string& name : raw.inputs) {
    const ValueId id = name.empty() ? ValueId::none : scope.find(name);
    if (id == ValueId::none && !name.empty() && !scope.is_left_out(name))
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
    make_constant(node, *scope.graph);
  } else {
    upgrade(std::move(node), scope);
  }
}

void GraphReader::inline_function(const Function& f, const Node& call, Scope& scope) {
  if (scope.depth > kMaxDepth) fail(ErrorCode::malformed, display_name(call), ": functions call each other too deep");
  // Attributes of the call, completed by the function's defaults.
  Node defaults;
  for (const Reader& r : f.default_attributes) read_attribute(r, scope, defaults);
  std::map<std::string, Attribute> attributes = call.attributes;
  attributes.insert(defaults.attributes.begin(), defaults.attributes.end());
  Opsets opsets = *scope.opsets;
  for (const auto& [domain, version] : f.opsets) opsets[domain] = version;

  Scope inner{.graph = scope.graph, .prefix = str(scope.prefix, f.name, "#", ++inlined_, "/"), .opsets = &opsets,
              .function_attributes = &attributes, .depth = scope.depth + 1, .walk = scope.walk};
  for (size_t i = 0; i < f.inputs.size(); ++i) inner.names[f.inputs[i]] = call.input(i);
  read_nodes(f.nodes, inner);
  for (size_t i = 0; i < call.outputs.size(); ++i) {
    if (call.outputs[i] == ValueId::none) continue;
    const ValueId made = i < f.outputs.size() ? inner.find(f.outputs[i]) : ValueId::none;
    if (made == ValueId::none) fail(ErrorCode::malformed, display_name(call), ": the function makes no output ", i);
    scope.graph->add_node("Identity", {made}, {call.outputs[i]});
  }
}

std::shared_ptr<Graph> GraphReader::read_nested(Reader message, Scope& scope) {
  auto nested = std::make_shared<Graph>(*scope.graph, nullptr);
  Scope inner{.graph = nested.get(), .parent = &scope, .prefix = scope.prefix, .opsets = scope.opsets,
              .function_attributes = scope.function_attributes, .depth = scope.depth + 1};
  read(message, inner);
  return nested;
}

GraphReader::RawAttribute GraphReader::read_raw_attribute(Reader message, Scope& scope) {
  RawAttribute raw;
  std::string unused;
  while (message.next()) {
    switch (message.tag()) {
      case attribute_field::name: raw.name = text(message); break;
      case attribute_field::ref_name: raw.ref = text(message); break;
      case attribute_field::type: raw.type = message.get_int32(); break;
      case attribute_field::f: raw.one = message.get_float(); break;
      case attribute_field::i: raw.one = message.get_int64(); break;
      case attribute_field::s: raw.one = text(message); break;
      case attribute_field::t: raw.one = read_tensor(message.get_message(), source_); break;
      case attribute_field::sparse_tensor: raw.one = read_sparse_tensor(message.get_message(), source_, &unused); break;
      case attribute_field::g: raw.one = read_nested(message.get_message(), scope); break;
      case attribute_field::floats: read_floats(message, raw.floats); break;
      case attribute_field::ints: read_ints(message, raw.ints); break;
      case attribute_field::strings: raw.strings.push_back(text(message)); break;
      default: message.skip();
    }
  }
  return raw;
}

void GraphReader::read_attribute(Reader message, Scope& scope, Node& node) {
  RawAttribute raw = read_raw_attribute(message, scope);
  if (raw.ref.empty()) {
    node.attributes[raw.name] = value_of(raw);
    return;
  }
  if (!scope.function_attributes)
    fail(ErrorCode::malformed, "attribute '", raw.name, "' refers to '", raw.ref, "' outside a function");
  const auto at = scope.function_attributes->find(raw.ref);
  if (at != scope.function_attributes->end()) node.attributes[raw.name] = at->second;
}

}  // namespace bitwright::onnx
