#include "graph/quantization.hpp"

#include "graph/nested.hpp"

namespace bitwright {

std::string_view name_of(Profile profile) {
  switch (profile) {
    case Profile::ort: return "ort";
    case Profile::real: return "real";
    case Profile::tflite: return "tflite";
  }
  return "unknown";
}

const Entry* Quantization::find(const Site& site) const {
  const auto entry = at.find(site);
  return entry == at.end() ? nullptr : &entry->second;
}

Entry* Quantization::find(const Site& site) {
  const auto entry = at.find(site);
  return entry == at.end() ? nullptr : &entry->second;
}

SiteOf producer_site(const Graph& graph, const Uses& uses, ValueId value) {
  const int64_t position = uses.producer(value);
  if (position >= 0) {
    const Node& node = graph.nodes[static_cast<size_t>(position)];
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] == value) return {true, {node.id, Side::output, static_cast<uint16_t>(i)}};
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    if (graph.inputs[i] == value) return {true, {kGraphInput, Side::output, static_cast<uint16_t>(i)}};
  return {};
}

namespace {

using Placed = std::unordered_map<NodeId, PlacedNode>;

void verify_entry(const Graph& top, const Placed& placed, const Site& site, const Entry& entry) {
  const auto at = placed.find(site.node);
  const Node* node = at == placed.end() ? nullptr : at->second.node;
  const Graph& graph = node ? *at->second.graph : top;
  if (site.node != kGraphInput && !node)
    fail(ErrorCode::malformed, "the quantization speaks of node #", static_cast<uint32_t>(site.node), ", which is gone");
  const std::string where = node ? display_name(*node) : "graph input";
  const size_t count = !node ? graph.inputs.size() : site.side == Side::input ? node->inputs.size() : node->outputs.size();
  if (site.side != Side::inner && site.index >= count)
    fail(ErrorCode::malformed, where, ": the quantization speaks of place ", site.index, " of ", count);
  if (entry.codes.empty() && &graph != &top)
    fail(ErrorCode::malformed, where, ": stands in a nested graph, where only constants have places, not ", site.side == Side::input ? "input " : "output ", site.index);
  if (entry.codes.empty()) return;
  const ValueId value = node ? node->input(site.index) : ValueId::none;
  const Tensor* constant = value == ValueId::none ? nullptr : graph.constant(value);
  if (site.side != Side::input || !constant || constant->shape() != entry.codes.shape())
    fail(ErrorCode::malformed, where, ": codes of shape ", to_string(entry.codes.shape()), " at input ", site.index,
         " belong to no constant of that shape");
  if (entry.chain.empty()) fail(ErrorCode::malformed, where, ": codes without a grid at input ", site.index);
  try {
    verify(entry.chain.back(), entry.codes.shape());
  } catch (const Error& e) {
    throw e.within(where);
  }
}

}  // namespace

void verify(const Model& model) {
  verify(model.graph);
  if (model.quantization.empty()) return;
  Placed placed;
  for (const PlacedNode& p : all_nodes(model.graph)) placed[p.node->id] = p;
  for (const auto& [site, entry] : model.quantization.at) verify_entry(model.graph, placed, site, entry);
}

}  // namespace bitwright
