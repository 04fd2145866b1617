// f(x: f16) = Cast_f16(f'(Cast_f32(x))): a network in half precision (fp16 or bf16) computes in float32, from which it can be
// quantized; inputs and outputs keep their types. The function changes by the roundings that are no longer made.
#include <algorithm>

#include "graph/rewriter.hpp"
#include "ops/op.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

bool is_half(DType type) { return type == DType::f16 || type == DType::bf16; }
bool is_half(int64_t type) { return is_half(static_cast<DType>(type)); }

template <class F>
void for_each_nested(const Node& node, F f) {
  for (const auto& [key, attribute] : node.attributes)
    if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) f(**nested);
}

bool has_halves(const Graph& graph) {
  bool found = std::any_of(graph.values().begin(), graph.values().end(), [](const auto& v) { return is_half(v.second.dtype); });
  for (const Node& node : graph.nodes) for_each_nested(node, [&](const Graph& nested) { found = found || has_halves(nested); });
  return found;
}

// The first node whose types we cannot change, because we do not know what it computes.
const Node* first_unknown(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!find_op(node.domain, node.op)) return &node;
    const Node* unknown = nullptr;
    for_each_nested(node, [&](const Graph& nested) { unknown = unknown ? unknown : first_unknown(nested); });
    if (unknown) return unknown;
  }
  return nullptr;
}

// Where operators name the type of what they make (Cast, RandomNormal, DequantizeLinear, HannWindow, Attention, ConstantOfShape).
void widen_attributes(Node& node) {
  for (const char* key : {"to", "dtype", "output_dtype", "output_datatype", "softmax_precision"})
    if (node.has_attr(key) && is_half(node.attr_int(key, 0))) node.attributes[key] = static_cast<int64_t>(DType::f32);
  for (auto& [key, attribute] : node.attributes)
    if (Tensor* tensor = std::get_if<Tensor>(&attribute))
      if (is_half(tensor->dtype())) *tensor = to_f32(*tensor);
}

// Every value of the graph except those of its interface, where it has one.
void widen_values(Graph& graph, const std::vector<ValueId>& interface) {
  std::vector<ValueId> halves;
  for (const auto& [id, value] : graph.values())
    if (is_half(value.dtype) && !std::count(interface.begin(), interface.end(), id)) halves.push_back(id);
  for (const ValueId id : halves) {
    Value& value = graph.value(id);
    value.dtype = DType::f32;
    if (value.is_constant()) value.constant = to_f32(value.constant);
  }
  for (Node& node : graph.nodes) {
    widen_attributes(node);
    for (auto& [key, attribute] : node.attributes)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) widen_values(**nested, {});
  }
}

struct Cast {
  ValueId from, to;
  DType type;
};

ValueId float_twin(Graph& graph, ValueId id) {
  const Value half = graph.value(id);
  const ValueId twin = half.is_constant() ? graph.add_constant(half.name + "_float32", to_f32(half.constant))
                                          : graph.add_value(half.name + "_float32", DType::f32);
  graph.value(twin).has_shape = half.has_shape;
  graph.value(twin).shape = half.shape;
  return twin;
}

// Readers of an input or output in half precision read a value of float32 in its place.
std::vector<Cast> split_interface(Graph& graph) {
  std::vector<Cast> casts;
  for (const ValueId id : graph.inputs) {
    if (!is_half(graph.value(id).dtype)) continue;
    const ValueId twin = float_twin(graph, id);
    replace_reads(graph, id, twin, false);
    casts.push_back({id, twin, DType::f32});
  }
  for (const ValueId id : graph.outputs) {
    const auto same = [&](const Cast& cast) { return cast.to == id; };
    const bool input = std::count(graph.inputs.begin(), graph.inputs.end(), id) > 0;
    if (input || !is_half(graph.value(id).dtype) || std::any_of(casts.begin(), casts.end(), same)) continue;
    const ValueId twin = float_twin(graph, id);
    replace_reads(graph, id, twin, false);
    if (graph.value(id).is_constant()) continue;
    for (Node& node : graph.nodes) std::replace(node.outputs.begin(), node.outputs.end(), id, twin);
    casts.push_back({twin, id, graph.value(id).dtype});
  }
  return casts;
}

}  // namespace

Model pass_widen_half(Model model, PassReport& report);
Model pass_widen_half(Model model, PassReport& report) {
  Graph& graph = model.graph;
  if (!has_halves(graph)) return model;
  const Node* unknown = first_unknown(graph);
  if (unknown || !model.quantization.empty()) {
    report.kept.push_back(unknown ? display_name(*unknown) + ": it is not known how it computes in float32, so half precision stays"
                                  : std::string("quantized networks keep their half precision"));
    return model;
  }
  const std::vector<Cast> casts = split_interface(graph);
  std::vector<ValueId> interface = graph.inputs;
  interface.insert(interface.end(), graph.outputs.begin(), graph.outputs.end());
  widen_values(graph, interface);
  Rewriter r(model);
  for (const Cast& cast : casts)
    r.add("Cast", {cast.from}, {cast.to}, graph.value(cast.type == DType::f32 ? cast.to : cast.from).name).attributes["to"] =
        static_cast<int64_t>(cast.type);
  r.commit();
  report.done.push_back("a network in half precision: computed in float32, its inputs and outputs keep their types");
  return model;
}

}  // namespace bitwright
