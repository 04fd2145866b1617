#include "graph/rewriter.hpp"

#include <algorithm>

#include "graph/nested.hpp"

namespace bitwright {

void replace_reads(Graph& graph, ValueId from, ValueId to, bool outputs) {
  for (Node& node : graph.nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
    for (auto& [key, attribute] : node.attributes)
      if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute))
        replace_reads(**nested, from, to, true);
  }
  if (outputs) std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
}

const Uses& Rewriter::uses() {
  if (!uses_) uses_ = std::make_unique<Uses>(graph());
  return *uses_;
}

void Rewriter::index_nodes() {
  positions_.clear();
  for (size_t i = 0; i < graph().nodes.size(); ++i) positions_[graph().nodes[i].id] = i;
}

std::vector<NodeId> Rewriter::nodes() const {
  std::vector<NodeId> ids;
  for (const Node& node : model_.graph.nodes) ids.push_back(node.id);
  return ids;
}

Node* Rewriter::node(NodeId id) {
  const auto at = positions_.find(id);
  return at == positions_.end() || erased_.count(id) ? nullptr : &graph().nodes[at->second];
}

Node* Rewriter::producer(ValueId value) {
  const int64_t position = value == ValueId::none ? -1 : uses().producer(value);
  return position < 0 ? nullptr : node(graph().nodes[static_cast<size_t>(position)].id);
}

Node* Rewriter::single_reader(ValueId value) {
  const Node* found = nullptr;
  for (const Use& use : readers(value)) {
    if (use.node != NodeId::none && erased_.count(use.node)) continue;
    if (found || use.nested || use.node == NodeId::none) return nullptr;
    found = node(use.node);
  }
  return const_cast<Node*>(found);
}

bool Rewriter::is_graph_output(ValueId value) {
  return std::find(graph().outputs.begin(), graph().outputs.end(), value) != graph().outputs.end();
}

bool Rewriter::is_graph_input(ValueId value) const {
  const auto& inputs = model_.graph.inputs;
  return std::find(inputs.begin(), inputs.end(), value) != inputs.end();
}

Node& Rewriter::add(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs, std::string name) {
  touch();
  added_ = true;
  Node& made = graph().add_node(std::move(op), std::move(inputs), std::move(outputs), std::move(name));
  positions_[made.id] = graph().nodes.size() - 1;
  return made;
}

void Rewriter::set_constant(ValueId id, Tensor tensor) {
  Value& value = graph().value(id);
  value.dtype = tensor.dtype();
  value.has_shape = true;
  value.shape = tensor.shape();
  value.constant = std::move(tensor);
  touch();
}

void Rewriter::set_input(Node& node, size_t index, ValueId value) {
  if (node.inputs.size() <= index) node.inputs.resize(index + 1, ValueId::none);
  node.inputs[index] = value;
  touch();
}

bool Rewriter::hand_entry_to_readers(ValueId value) {
  const SiteOf made = producer_site(graph(), uses(), value);
  const Entry* entry = made.found ? quantization().find(made.site) : nullptr;
  if (!entry) return true;
  for (const Use& use : readers(value))
    if (use.nested || use.node == NodeId::none) return false;
  for (const Use& use : readers(value)) {
    Entry& at = quantization().at[{use.node, Side::input, use.index}];
    if (at.chain.empty()) at = {entry->when, entry->per_row, {}, {}, entry->tied};
    at.chain.insert(at.chain.begin(), entry->chain.begin(), entry->chain.end());
  }
  quantization().at.erase(made.site);
  return true;
}

bool Rewriter::replace(ValueId from, ValueId to) {
  if (from == ValueId::none || to == ValueId::none) return false;
  const bool output = is_graph_output(from);
  if (output && (is_graph_input(to) || is_graph_output(to) || !graph().has_value(to) || graph().constant(to)))
    return false;
  if (!hand_entry_to_readers(from)) return false;
  if (output) {
    Value &old = graph().value(from), &fresh = graph().value(to);
    std::swap(old.name, fresh.name);
    if (fresh.dtype == DType::none) fresh.dtype = old.dtype;
    fresh.has_shape = old.has_shape, fresh.shape = old.shape;
  }
  replace_reads(graph(), from, to, true);
  touch();
  return true;
}

void Rewriter::erase(NodeId id) {
  erased_.insert(id);
  changed_ = true;
}

void Rewriter::move_entry(const Site& from, const Site& to) {
  const auto at = quantization().at.find(from);
  if (at == quantization().at.end()) return;
  Entry entry = std::move(at->second);
  quantization().at.erase(at);
  quantization().at[to] = std::move(entry);
}

void Rewriter::move_entries(NodeId from, NodeId to) {
  std::vector<Site> sites;
  for (auto at = quantization().at.lower_bound({from, Side::output, 0}); at != quantization().at.end() && at->first.node == from; ++at)
    sites.push_back(at->first);
  for (const Site& site : sites) move_entry(site, {to, site.side, site.index});
}

void Rewriter::move_output_entry(NodeId from, NodeId to, uint16_t index) {
  move_entry({from, Side::output, index}, {to, Side::output, index});
}

const Entry* Rewriter::output_entry(ValueId value) {
  const SiteOf made = producer_site(graph(), uses(), value);
  return made.found ? quantization().find(made.site) : nullptr;
}

const Entry* Rewriter::input_entry(const Node& node, size_t index) const {
  return model_.quantization.find({node.id, Side::input, static_cast<uint16_t>(index)});
}

bool Rewriter::has_entries(const Node& node) const {
  const auto at = model_.quantization.at.lower_bound({node.id, Side::output, 0});
  return at != model_.quantization.at.end() && at->first.node == node.id;
}

/// Entries of the erased nodes, and of those in their nested graphs that did not move to other nodes.
void Rewriter::forget_erased() {
  if (erased_.empty() || quantization().empty()) return;
  std::set<NodeId> gone = erased_, alive;
  for (const Node& node : graph().nodes)
    for_each_nested(node, [&](const Graph& nested) {
      for (const PlacedNode& inner : all_nodes(nested)) (erased_.count(node.id) ? gone : alive).insert(inner.node->id);
    });
  std::erase_if(quantization().at, [&](const auto& at) { return gone.count(at.first.node) != 0 && alive.count(at.first.node) == 0; });
}

void Rewriter::commit() {
  if (!changed_) return;
  auto& nodes = graph().nodes;
  forget_erased();
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), [&](const Node& n) { return erased_.count(n.id) != 0; }),
              nodes.end());
  erased_.clear();
  if (added_) sort_nodes(graph());
  drop_unread_values();
  index_nodes();
  changed_any_ = true;
  changed_ = added_ = false;
}

void Rewriter::drop_unread_values() {
  uses_.reset();
  std::set<ValueId> alive(graph().inputs.begin(), graph().inputs.end());
  for (const auto& [id, value] : graph().values())
    if (uses().producer(id) >= 0 || !readers(id).empty()) alive.insert(id);
  std::vector<ValueId> dead;
  for (const auto& [id, value] : graph().values())
    if (!alive.count(id)) dead.push_back(id);
  for (const ValueId id : dead) graph().erase_value(id);
  uses_.reset();
}

}  // namespace bitwright
