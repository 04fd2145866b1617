// The quantization that a graph spells with nodes, step by step; fold_nodes.hpp and fold_steps.hpp have the patterns.
#include "passes/fold.hpp"

#include <algorithm>

#include "ops/op.hpp"
#include "passes/fold_steps.hpp"
#include "passes/qoperators.hpp"
#include "passes/shields.hpp"

namespace bitwright {
namespace {

/// u8 graph input -> DQ and Q -> u8 graph output stay; what is known of the float side is noted there.
void note_interface(Model& model, Rewriter& r) {
  const Uses uses(r.graph());
  for (const Node& node : r.graph().nodes) {
    std::string unused;
    const bool in = is_dequantize(node) && r.is_graph_input(node.input(0));
    const bool out = is_quantize(node) && r.is_graph_output(node.output());
    if (!in && !out) continue;
    const auto grid = grid_of(r.graph(), node, in ? r.graph().value(node.input(0)).dtype : DType::none, &unused);
    if (!grid) continue;
    if (in) {
      Entry& entry = model.quantization.at[{node.id, Side::output, 0}];
      if (entry.chain.empty() || !same_grid(entry.chain.front(), *grid)) entry.chain.insert(entry.chain.begin(), *grid);
      continue;
    }
    const SiteOf made = producer_site(r.graph(), uses, node.input(0));
    const Entry* before = made.found ? model.quantization.find(made.site) : nullptr;
    Entry* own = model.quantization.find({node.id, Side::input, 0});
    const auto* chain = own ? &own->chain : before ? &before->chain : nullptr;
    if (!r.graph().constant(node.input(0)) && (!chain || chain->empty() || !same_grid(chain->back(), *grid)))
      model.quantization.at[{node.id, Side::input, 0}].chain.push_back(*grid);
  }
}

void derive_biases(Model& model) {
  const Uses uses(model.graph);
  for (const Node& node : model.graph.nodes) {
    const Op* op = find_op(node.domain, node.op);
    if (!op || op->quant.bias_input < 0) continue;
    Entry* bias = model.quantization.find({node.id, Side::input, static_cast<uint16_t>(op->quant.bias_input)});
    if (!bias || bias->chain.size() != 1 || bias->chain[0].format->name != "int32") continue;
    const Tensor wanted = derived_bias_scale(model, uses, node);
    const Tensor& scale = bias->chain[0].scale;
    if (!wanted.empty() && wanted.elements() == scale.elements() && identical(wanted.reshaped(scale.shape()), scale))
      bias->when = When::derived;
  }
}

bool reads_codes(const Node& node) {
  const auto rows = qoperators();
  return is_quantize(node) || is_dequantize(node) ||
         std::any_of(rows.begin(), rows.end(), [&](const QOperator& row) { return row.name == node.op && row.domain == node.domain; });
}

/// Codes and scales that stand in an enclosing graph become constants of this one: an entry's codes are its constant's.
void take_constants(Graph& graph, const std::vector<const Graph*>& outer) {
  for (Node& node : graph.nodes) {
    if (!reads_codes(node)) continue;
    for (ValueId& id : node.inputs)
      for (const Graph* scope : outer)
        if (id != ValueId::none && !graph.has_value(id) && scope->constant(id))
          id = graph.add_constant(scope->value(id).name, *scope->constant(id));
  }
}

/// A DQ of constants that the nested graph reads is copied into it: there the reader has a place.
void take_decoders(Graph& nested, const Graph& outer) {
  const std::vector<ValueId> list = outer_reads(nested);
  const std::set<ValueId> reads(list.begin(), list.end());
  for (const Node& dq : outer.nodes) {
    const auto is_constant = [&](ValueId id) { return id == ValueId::none || outer.constant(id); };
    if (!is_dequantize(dq) || !reads.count(dq.output()) || !std::all_of(dq.inputs.begin(), dq.inputs.end(), is_constant)) continue;
    Node copy = dq;
    copy.id = nested.new_node_id();
    copy.outputs = {nested.add_value(outer.value(dq.output()).name, outer.value(dq.output()).dtype)};
    replace_reads(nested, dq.output(), copy.outputs[0], true);
    nested.nodes.push_front(std::move(copy));
  }
}

/// In nested graphs only constants have places in the table. Operators on codes become operators between Q and DQ, which are
/// computed as they are.
void fold_nested(Graph& graph, Quantization& table, std::vector<const Graph*> outer, const Metadata& metadata, FoldReport& report) {
  outer.push_back(&graph);
  for (Node& node : graph.nodes)
    for (auto& [key, attribute] : node.attributes) {
      const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute);
      if (!nested) continue;
      Model inner;
      inner.graph = (*nested)->clone();
      take_decoders(inner.graph, graph);
      take_constants(inner.graph, outer);
      Rewriter lifted(inner);
      lift_qoperators(lifted, metadata, report);
      fold_nested(inner.graph, inner.quantization, outer, metadata, report);
      Rewriter r(inner);
      const ConstantEntries constants = fold_constants(r, metadata, report);
      r.commit();
      place_constants(inner, constants);
      for (const Node& n : inner.graph.nodes)
        if (is_quantize(n) || is_dequantize(n) || n.is("DynamicQuantizeLinear"))
          report.kept.push_back(str(display_name(n), ": stands inside of ", display_name(node), " and is computed as it is"));
      table.at.merge(inner.quantization.at);
      attribute = std::make_shared<Graph>(std::move(inner.graph));
    }
}

void read_profile(Model& model) {
  const auto at = model.info.metadata.find(kProfileKey);
  if (at == model.info.metadata.end()) return;
  for (const Profile profile : {Profile::ort, Profile::real, Profile::tflite})
    if (at->second == name_of(profile)) model.quantization.profile = profile;
  model.info.metadata.erase(at);
}

void fold_graph(Model& model, FoldReport& report) {
  const Metadata& metadata = model.info.metadata;
  Rewriter r(model);
  drop_shields(r);
  lift_qoperators(r, metadata, report);
  lift_movement(r);
  lift_integer_products(r, metadata, report);
  lift_movement(r);  // of codes that those products have read
  lift_dynamic_recurrent(r, metadata, report);
  ConstantEntries constants = fold_constants(r, metadata, report);
  r.commit();
  fold_pairs(model, r, constants, report);
  note_interface(model, r);
  place_constants(model, constants);
  r.commit();
  if (!model.quantization.empty()) r.drop_unread_values();  // what nested graphs took
  derive_biases(model);
  mark_hidden_states(model);
}

}  // namespace

Model fold(Model model, FoldReport* report) {
  FoldReport own;
  FoldReport& said = report ? *report : own;
  fold_nested(model.graph, model.quantization, {}, model.info.metadata, said);
  read_profile(model);
  fold_graph(model, said);
  said.entries = model.quantization.at.size();
  std::erase_if(model.info.metadata, [](const auto& item) {
    return item.first.rfind(kNoteKey, 0) == 0 || item.first.rfind(kClampKey, 0) == 0;
  });
  verify(model);
  return model;
}

}  // namespace bitwright
