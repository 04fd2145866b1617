// Model -> ModelProto. The graph is copied (constants stay shared), brought into forms that the opset knows and that ONNX
// allows (names, outputs of nested graphs), then encoded.
#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_set>

#include "graph/node_names.hpp"
#include "io/onnx/export_parts.hpp"
#include "io/onnx/onnx.hpp"
#include "io/onnx/proto.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace onnx {
namespace {

constexpr int kLeastOpset = 7, kUsualOpset = 13, kMostOpset = 25;

void for_each_nested(const Node& node, const auto& visit) {
  for (const auto& [key, attribute] : node.attributes)
    if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) visit(**nested);
}

void for_each_node(const Graph& graph, const auto& visit) {
  for (const Node& node : graph.nodes) {
    visit(graph, node);
    for_each_nested(node, [&](const Graph& nested) { for_each_node(nested, visit); });
  }
}

// ---- opset

/// Lowest opset of which this type is an element (spec of ONNX, "Versioning", and QuantizeLinear's history).
int least_opset(DType type) {
  switch (type) {
    case DType::f8e4m3fn: case DType::f8e4m3fnuz: case DType::f8e5m2: case DType::f8e5m2fnuz: return 19;
    case DType::i4: case DType::u4: return 21;
    case DType::f4e2m1: return 23;
    case DType::f8e8m0: return 24;
    case DType::i2: case DType::u2: return 25;
    default: return 7;
  }
}

bool is_quantize_op(const Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); }

/// The lowest opset of a node, and what in it asks for that (empty: the operator itself).
struct Need {
  int opset = kLeastOpset;
  std::string what;
  void raise(int to, std::string why = {}) {
    if (to > opset) opset = to, what = std::move(why);
  }
};

void need_of_quantize(const Graph& graph, const Node& node, Need& need) {
  need.raise(10);
  if (node.has_attr("axis")) need.raise(13, "scales per channel");
  if (node.has_attr("saturate")) need.raise(19);
  for (const ValueId id : node.inputs) {
    if (!graph.has_value(id)) continue;
    const DType type = graph.value(id).dtype;
    if (type == DType::f16 || type == DType::bf16) need.raise(19, str(name_of(type), " scales"));
    if (type == DType::i16 || type == DType::u16) need.raise(21, str(name_of(type), " codes"));
  }
  if (node.attr_int("block_size", 0) > 0) need.raise(21, "scales per block");
  if (node.has_attr("output_dtype")) need.raise(21, "attribute 'output_dtype'");
  if (node.has_attr("precision")) need.raise(23, "attribute 'precision'");
}

Need need_of(const Graph& graph, const Node& node, const Model& model) {
  Need need;
  for (const ValueId id : node.inputs)
    if (id != ValueId::none && graph.has_value(id))
      need.raise(least_opset(graph.value(id).dtype), str(name_of(graph.value(id).dtype), " tensors"));
  if (!node.domain.empty()) return need;
  const DType first = graph.has_value(node.input(0)) ? graph.value(node.input(0)).dtype : DType::none;
  if (node.is("MaxPool") && (first == DType::u8 || first == DType::i8)) need.raise(12, "8-bit codes");
  if (is_quantize_op(node)) {
    need_of_quantize(graph, node, need);
  } else if (const Op* op = find_op("", node.op)) {
    if (!op->downgrade) need.raise(op->since);
  } else if (const auto at = model.info.opsets.find(""); at != model.info.opsets.end()) {
    need.raise(static_cast<int>(at->second));  // an operator we do not know keeps the opset it came with
  }
  return need;
}

int choose_opset(const Model& model, const Graph& graph, std::optional<int> asked) {
  if (asked && (*asked < kLeastOpset || *asked > kMostOpset))
    fail(ErrorCode::usage, "opset ", *asked, " cannot be written, only ", kLeastOpset, " to ", kMostOpset);
  int opset = asked ? *asked : kUsualOpset;
  for_each_node(graph, [&](const Graph& scope, const Node& node) {
    const Need need = need_of(scope, node, model);
    if (asked && need.opset > *asked)
      fail(ErrorCode::unsupported, display_name(node), ": ", need.what.empty() ? "needs" : need.what + " need", " opset ", need.opset,
           ", asked for ", *asked);
    opset = std::max(opset, need.opset);
  });
  return std::min(opset, kMostOpset);
}

int64_t ir_version_of(int opset) {
  struct Row { int opset, ir; };  // onnx.helper.VERSION_TABLE
  constexpr Row kTable[] = {{25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9}, {15, 8}, {12, 7}, {11, 6}, {10, 5}, {9, 4}};
  for (const Row& row : kTable)
    if (opset >= row.opset) return row.ir;
  return 4;  // the first in which initializers need not be inputs
}

/// Brings nodes into the forms of one opset. A node that has none stops it: `refused` says which, and `needs` the opset
/// in which it would be legal.
class Lowering {
 public:
  explicit Lowering(int opset) : opset_(opset) {}
  std::string refused;
  int needs = 0;

  bool run(Graph& graph) {
    std::deque<Node> nodes = std::move(graph.nodes), out;
    graph.nodes.clear();
    for (Node& node : nodes)
      if (!add(graph, std::move(node), out, 0)) return false;
    graph.nodes = std::move(out);
    return true;
  }

 private:
  static constexpr int kMostSteps = 4;  // of rewriting a node into nodes that are rewritten in turn
  int opset_;

  bool add(Graph& graph, Node node, std::deque<Node>& out, int steps) {
    bool fine = true;
    for_each_nested(node, [&](Graph& nested) { fine = fine && run(nested); });
    const Op* op = find_op(node.domain, node.op);
    const bool ours = node.domain == "bitwright";
    const bool known = op && (ours || node.domain.empty()) && !is_quantize_op(node);
    if (!fine || (!ours && (!known || op->since <= opset_))) {
      out.push_back(std::move(node));
      return fine;
    }
    const std::string before_op = node.op;
    std::vector<Node> before, after;
    UpgradeContext context{graph, node, opset_, before, after};
    if (steps > kMostSteps || !op || !op->downgrade || !op->downgrade(context)) {
      refused = display_name(node);
      needs = ours || !op ? 0 : op->since;
      return false;
    }
    for (Node& n : before)
      if (!add(graph, std::move(n), out, steps + 1)) return false;
    if (node.op == before_op && !ours) {
      out.push_back(std::move(node));
    } else if (!add(graph, std::move(node), out, steps + 1)) {
      return false;
    }
    for (Node& n : after)
      if (!add(graph, std::move(n), out, steps + 1)) return false;
    return true;
  }
};

/// A copy of the graph in an opset's forms: the asked opset, or the lowest that has a form for every node.
Graph lowered(const Model& model, std::optional<int> asked, int& opset) {
  opset = choose_opset(model, model.graph, asked);
  for (;;) {
    Graph graph = model.graph.clone();
    Lowering lowering(opset);
    if (lowering.run(graph)) return graph;
    if (asked || lowering.needs <= opset)
      fail(ErrorCode::unsupported, lowering.refused, ": has no form in ONNX opset ", opset);
    opset = lowering.needs;
  }
}

// ---- what ONNX allows

/// Outputs must be made inside their graph, each by a value of its own.
void separate_outputs(Graph& graph, bool nested) {
  std::unordered_set<ValueId> seen;
  for (ValueId& id : graph.outputs) {
    const bool inside = graph.has_value(id);
    const bool input = std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
    if (seen.insert(id).second && inside && !(nested && (input || graph.constant(id)))) continue;
    const ValueId copy = graph.add_value(inside ? graph.value(id).name : "", inside ? graph.value(id).dtype : DType::none);
    if (inside) graph.value(copy).has_shape = graph.value(id).has_shape, graph.value(copy).shape = graph.value(id).shape;
    graph.add_node("Identity", {id}, {copy});
    id = copy;
  }
  for (const Node& node : graph.nodes) for_each_nested(node, [](Graph& inner) { separate_outputs(inner, true); });
}

class Namer {
 public:
  ValueNames names;

  void name_graph(const Graph& graph) {
    for (const ValueId id : graph.inputs) name_value(graph.value(id));
    for (const ValueId id : graph.outputs) name_value(graph.value(id));
    std::vector<const Value*> rest;
    for (const auto& [id, value] : graph.values()) rest.push_back(&value);
    std::sort(rest.begin(), rest.end(), [](const Value* a, const Value* b) { return a->id < b->id; });
    for (const Value* value : rest) name_value(*value);
    for (const Node& node : graph.nodes) for_each_nested(node, [&](const Graph& inner) { name_graph(inner); });
  }

 private:
  std::unordered_set<std::string> used_;

  void name_value(const Value& value) {
    if (names.count(value.id)) return;
    const std::string stem = value.name.empty() ? str("v", static_cast<uint32_t>(value.id)) : value.name;
    std::string name = stem;
    for (int i = 1; !used_.insert(name).second; ++i) name = str(stem, "_", i);
    names[value.id] = std::move(name);
  }
};

// ---- the file

size_t constant_bytes(const Graph& graph) {
  size_t bytes = 0;
  for (const auto& [id, value] : graph.values())
    if (value.is_constant() && value.dtype != DType::string) bytes += value.constant.bytes();
  for (const Node& node : graph.nodes)
    for_each_nested(node, [&](const Graph& nested) { bytes += constant_bytes(nested); });
  return bytes;
}

Rope opset_import(const std::string& domain, int64_t version) {
  Rope rope;
  rope.writer().add_string(opset_field::domain, domain);
  rope.writer().add_int64(opset_field::version, version);
  return rope;
}

std::set<std::string> domains_of(const Graph& graph) {
  std::set<std::string> domains = {""};
  for_each_node(graph, [&](const Graph&, const Node& node) { domains.insert(node.domain); });
  return domains;
}

Rope encode_model(const ModelInfo& info, const Graph& graph, int opset, Encoder& encoder) {
  namespace field = model_field;
  Rope rope;
  rope.writer().add_int64(field::ir_version, ir_version_of(opset));
  rope.writer().add_string(field::producer_name, std::string(kProducer));
  if (!info.domain.empty()) rope.writer().add_string(field::domain, info.domain);
  if (info.version != 0) rope.writer().add_int64(field::version, info.version);
  if (!info.doc.empty()) rope.writer().add_string(field::doc, info.doc);
  rope.add_message(field::graph, encoder.graph(graph));
  for (const std::string& domain : domains_of(graph)) {
    const auto at = info.opsets.find(domain);
    rope.add_message(field::opset_import,
                     opset_import(domain, domain.empty() ? opset : at == info.opsets.end() ? 1 : at->second));
  }
  auto metadata = info.metadata;
  for (const StatePair& pair : graph.state)
    metadata[kStateKey + encoder.names.at(graph.inputs[pair.input])] = encoder.names.at(graph.outputs[pair.output]);
  for (const auto& [key, value] : metadata) {
    Rope entry;
    entry.writer().add_string(entry_field::key, key);
    entry.writer().add_string(entry_field::value, value);
    rope.add_message(field::metadata, std::move(entry));
  }
  rope.append(info.unknown_fields);
  return rope;
}

void write_external(const External& external, FileWriter& file) {
  const std::string padding(64, '\0');
  for (const auto& [offset, tensor] : external.tensors) {
    file.write(std::string_view(padding).substr(0, offset - file.written()));
    Rope::write_tensor(tensor, file);
  }
}

OnnxWritten write_model(const Model& model, const std::string& path, const OnnxWriteOptions& options) {
  int opset = 0;
  Graph graph = lowered(model, options.opset, opset);
  separate_outputs(graph, false);
  const NodeNames separate(graph);
  Namer namer;
  namer.name_graph(graph);
  External external{constant_bytes(graph) > options.external_above,
                    std::filesystem::path(path).filename().string() + ".data", {}, 0};
  Encoder encoder{namer.names, external};
  const Rope rope = encode_model(model.info, graph, opset, encoder);
  FileWriter file(path);
  rope.write_to(file);
  if (external.wanted) {  // the data first: a model without its data would be half a file
    FileWriter data(path + ".data");
    write_external(external, data);
    data.commit();
  }
  file.commit();
  return {opset, file.written() + external.end};
}

}  // namespace
}  // namespace onnx

OnnxWritten write_onnx(const Model& model, const std::string& path, const OnnxWriteOptions& options) {
  try {
    return onnx::write_model(model, path, options);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::io) throw;
    throw e.within(path);
  }
}

}  // namespace bitwright
