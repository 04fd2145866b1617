// If(true, a, b) = a: the nodes of the branch that is always taken move into the graph around it.
#include "graph/rewriter.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

void inline_branch(Rewriter& r, const Node& node, const Graph& branch) {
  std::map<ValueId, ValueId> moved;
  for (const auto& [id, value] : branch.values()) {
    const ValueId fresh = value.is_constant() ? r.add_constant(value.name, value.constant) : r.add_value(value.name, value.dtype);
    r.graph().value(fresh).has_shape = value.has_shape;
    r.graph().value(fresh).shape = value.shape;
    moved[id] = fresh;
  }
  auto at = [&](ValueId id) {
    const auto found = moved.find(id);
    return found == moved.end() ? id : found->second;
  };
  for (const Node& inner : branch.nodes) {
    std::vector<ValueId> inputs, outputs;
    for (const ValueId id : inner.inputs) inputs.push_back(at(id));
    for (const ValueId id : inner.outputs) outputs.push_back(at(id));
    Node& made = r.add(inner.op, inputs, outputs, inner.name);
    made.domain = inner.domain;
    made.attributes = inner.attributes;
    made.unknown_fields = inner.unknown_fields;
    r.move_entries(inner.id, made.id);
    for (auto& [key, attribute] : made.attributes)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) {
        *nested = std::make_shared<Graph>((*nested)->clone());
        for (const auto& [from, to] : moved) replace_reads(**nested, from, to, true);
      }
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId result = i < branch.outputs.size() ? at(branch.outputs[i]) : ValueId::none;
    if (node.outputs[i] != ValueId::none && result != ValueId::none) r.add("Identity", {result}, {node.outputs[i]});
  }
}

}  // namespace

Model pass_inline_if(Model model, PassReport& report);
Model pass_inline_if(Model model, PassReport& report) {
  Rewriter r(model);
  std::vector<NodeId> open = r.nodes();
  for (size_t i = 0; i < open.size(); ++i) {
    if (!r.node(open[i])->is("If")) continue;
    const Node node = *r.node(open[i]);
    const Tensor* condition = r.graph().constant(node.input(0));
    if (!condition || condition->elements() != 1) {
      report.kept.push_back(display_name(node) + ": its condition is not constant");
      continue;
    }
    const auto at = node.attributes.find(value_as_int(*condition, 0) != 0 ? "then_branch" : "else_branch");
    const auto* branch = at == node.attributes.end() ? nullptr : std::get_if<std::shared_ptr<Graph>>(&at->second);
    if (!branch || !*branch || r.has_entries(node)) continue;
    const size_t before = r.graph().nodes.size();
    inline_branch(r, node, **branch);
    r.erase(node.id);
    report.done.push_back(str(display_name(node), ": always takes its ", at->first, ", which is inlined"));
    for (size_t n = before; n < r.graph().nodes.size(); ++n) open.push_back(r.graph().nodes[n].id);
  }
  r.commit();
  return model;
}

}  // namespace bitwright
