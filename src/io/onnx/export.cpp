// Model -> ModelProto. The graph is copied (constants stay shared), brought into forms that the opset knows and that ONNX
// allows (names, outputs of nested graphs), then encoded.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <unordered_set>

#include "graph/node_names.hpp"
#include "graph/rewriter.hpp"
#include "io/onnx/export_parts.hpp"
#include "io/onnx/opset.hpp"
#include "io/onnx/onnx.hpp"
#include "io/onnx/proto.hpp"

namespace bitwright {
namespace onnx {
namespace {

// ---- what ONNX allows

/// Large constants that several graphs of the file hold are written once, in the outermost: two branches of one If often share
/// all their weights, and in memory each nested graph has its own.
class ConstantSharing {
 public:
  explicit ConstantSharing(Graph& top) : top_(top) {
    collect(top);
    for (auto& [type, group] : groups_)
      for (const Shared& shared : group) share(shared);
  }

 private:
  static constexpr size_t kLeastBytes = 1024;
  struct Holder {
    Graph* graph;
    ValueId id;
  };
  struct Shared {
    Tensor tensor;
    std::vector<Holder> holders;
  };
  Graph& top_;
  std::map<std::pair<DType, Shape>, std::vector<Shared>> groups_;

  void collect(Graph& graph) {
    for (const auto& [id, value] : graph.values())
      if (value.is_constant() && value.dtype != DType::string && value.constant.bytes() >= kLeastBytes) add(value.constant, {&graph, id});
    for (const Node& node : graph.nodes) for_each_nested(node, [&](Graph& nested) { collect(nested); });
  }

  void add(const Tensor& tensor, Holder holder) {
    auto& group = groups_[{tensor.dtype(), tensor.shape()}];
    const bool own = holder.graph == &top_;  // equal constants of one graph are the model's affair
    for (Shared& shared : group)
      if (!own && identical(shared.tensor, tensor)) return shared.holders.push_back(holder);
    group.push_back({tensor, {holder}});
  }

  void share(const Shared& shared) {
    const Holder& first = shared.holders.front();
    if (shared.holders.size() < 2) return;
    const ValueId one = first.graph == &top_ ? first.id : top_.add_constant(first.graph->value(first.id).name, shared.tensor);
    for (const Holder& holder : shared.holders) {
      if (holder.graph == &top_) continue;
      replace_reads(*holder.graph, holder.id, one, true);
      holder.graph->erase_value(holder.id);
    }
  }
};

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
  const ConstantSharing share(graph);
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
