#include "graph/graph.hpp"

#include <unordered_set>
#include <utility>

#include "graph/nested.hpp"

namespace bitwright {

template <class T>
T Node::attr(const std::string& key, T fallback) const {
  const auto at = attributes.find(key);
  if (at == attributes.end()) return fallback;
  if (const T* value = std::get_if<T>(&at->second)) return *value;
  fail(ErrorCode::malformed, display_name(*this), ": attribute '", key, "' has the wrong type");
}

int64_t Node::attr_int(const std::string& key, int64_t fallback) const { return attr<int64_t>(key, fallback); }
float Node::attr_float(const std::string& key, float fallback) const { return attr<float>(key, fallback); }
std::string Node::attr_string(const std::string& key, const std::string& fallback) const {
  return attr<std::string>(key, fallback);
}
std::vector<int64_t> Node::attr_ints(const std::string& key, std::vector<int64_t> fallback) const {
  return attr<std::vector<int64_t>>(key, std::move(fallback));
}
std::vector<float> Node::attr_floats(const std::string& key, std::vector<float> fallback) const {
  return attr<std::vector<float>>(key, std::move(fallback));
}

std::string display_name(const Node& node) {
  const std::string op = node.domain.empty() ? node.op : str(node.domain, ".", node.op);
  if (node.name.empty()) return str("node #", static_cast<uint32_t>(node.id), " (", op, ")");
  return str("node '", node.name, "' (", op, ")");
}

ValueId Graph::add_value(std::string value_name, DType dtype) {
  const ValueId id{++ids_->value};
  Value value;
  value.id = id;
  value.name = std::move(value_name);
  value.dtype = dtype;
  values_.emplace(id, std::move(value));
  return id;
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  const ValueId id = add_value(std::move(value_name), tensor.dtype());
  Value& made = value(id);
  made.has_shape = true;
  made.shape = tensor.shape();
  made.constant = std::move(tensor);
  return id;
}

Node& Graph::add_node(std::string op, std::vector<ValueId> node_inputs, std::vector<ValueId> node_outputs,
                      std::string node_name) {
  Node node;
  node.id = new_node_id();
  node.op = std::move(op);
  node.name = std::move(node_name);
  node.inputs = std::move(node_inputs);
  node.outputs = std::move(node_outputs);
  return nodes.emplace_back(std::move(node));
}

const Value& Graph::value(ValueId id) const {
  const auto at = values_.find(id);
  BW_CHECK(at != values_.end());
  return at->second;
}

Value& Graph::value(ValueId id) { return const_cast<Value&>(std::as_const(*this).value(id)); }

const Tensor* Graph::constant(ValueId id) const {
  const auto at = values_.find(id);
  return at != values_.end() && at->second.is_constant() ? &at->second.constant : nullptr;
}

const Node* Graph::find_node(NodeId id) const {
  for (const Node& node : nodes)
    if (node.id == id) return &node;
  return nullptr;
}

Node* Graph::find_node(NodeId id) { return const_cast<Node*>(std::as_const(*this).find_node(id)); }

int64_t Graph::symbol(const std::string& symbol_name) {
  for (size_t i = 0; i < symbols_->size(); ++i)
    if ((*symbols_)[i] == symbol_name) return -1 - static_cast<int64_t>(i);
  symbols_->push_back(symbol_name);
  return -static_cast<int64_t>(symbols_->size());
}

std::string Graph::shape_text(const Shape& shape) const {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) out += ",";
    if (shape[i] == kUnknownDim) {
      out += "?";
    } else if (shape[i] < 0) {
      out += symbol_name(shape[i]);
    } else {
      out += str(shape[i]);
    }
  }
  return out + "]";
}

Graph Graph::clone() const {
  Graph copy = *this;
  for (Node& node : copy.nodes)
    for (auto& [key, attribute] : node.attributes)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute))
        *nested = std::make_shared<Graph>((*nested)->clone());
  return copy;
}

namespace {

/// Values that a nested graph reads from outside.
void collect_outer_reads(const Graph& nested, std::vector<ValueId>& reads) {
  for (const Node& node : nested.nodes) {
    for (const ValueId id : node.inputs)
      if (id != ValueId::none && !nested.has_value(id)) reads.push_back(id);
    for_each_nested(node, [&](const Graph& inner) {
      std::vector<ValueId> deeper;
      collect_outer_reads(inner, deeper);
      for (const ValueId id : deeper)
        if (!nested.has_value(id)) reads.push_back(id);
    });
  }
  for (const ValueId id : nested.outputs)
    if (id != ValueId::none && !nested.has_value(id)) reads.push_back(id);
}

}  // namespace

std::vector<ValueId> outer_reads(const Graph& nested) {
  std::vector<ValueId> reads;
  collect_outer_reads(nested, reads);
  return reads;
}

Uses::Uses(const Graph& graph) {
  for (size_t position = 0; position < graph.nodes.size(); ++position) {
    const Node& node = graph.nodes[position];
    positions_[node.id] = static_cast<int64_t>(position);
    for (const ValueId id : node.outputs)
      if (id != ValueId::none) producers_[id] = static_cast<int64_t>(position);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != ValueId::none) uses_[node.inputs[i]].push_back({node.id, static_cast<uint16_t>(i), false});
    for_each_nested(node, [&](const Graph& nested) {
      for (const ValueId id : outer_reads(nested)) uses_[id].push_back({node.id, 0, true});
    });
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    uses_[graph.outputs[i]].push_back({NodeId::none, static_cast<uint16_t>(i), false});
}

const std::vector<Use>& Uses::of(ValueId value) const {
  static const std::vector<Use> nothing;
  const auto at = uses_.find(value);
  return at == uses_.end() ? nothing : at->second;
}

int64_t Uses::producer(ValueId value) const {
  const auto at = producers_.find(value);
  return at == producers_.end() ? -1 : at->second;
}

int64_t Uses::position(NodeId node) const {
  const auto at = positions_.find(node);
  return at == positions_.end() ? -1 : at->second;
}

int64_t Uses::single_reader(ValueId value) const {
  const auto& uses = of(value);
  if (uses.size() != 1 || uses[0].nested || uses[0].node == NodeId::none) return -1;
  return position(uses[0].node);
}

namespace {

void verify_scope(const Graph& graph, std::unordered_set<ValueId> known, std::unordered_set<NodeId>& seen) {
  for (const auto& [id, value] : graph.values())
    if (value.is_constant()) known.insert(id);
  known.insert(graph.inputs.begin(), graph.inputs.end());
  for (const Node& node : graph.nodes) {
    if (!seen.insert(node.id).second) fail(ErrorCode::malformed, display_name(node), ": its id is used twice");
    for (const ValueId id : node.inputs)
      if (id != ValueId::none && !known.count(id))
        fail(ErrorCode::malformed, display_name(node), ": reads ",
             graph.has_value(id) ? str("'", graph.value(id).name, "'") : str("value #", static_cast<uint32_t>(id)),
             ", which nothing before it makes");
    for_each_nested(node, [&](const Graph& nested) { verify_scope(nested, known, seen); });
    for (const ValueId id : node.outputs) {
      if (id == ValueId::none) continue;
      if (!graph.has_value(id) || !known.insert(id).second)
        fail(ErrorCode::malformed, display_name(node), ": makes value #", static_cast<uint32_t>(id),
             ", which is already made or unknown");
    }
  }
  for (const ValueId id : graph.outputs)
    if (!known.count(id))
      fail(ErrorCode::malformed, "graph '", graph.name, "': its output ",
           graph.has_value(id) ? str("'", graph.value(id).name, "'") : str("#", static_cast<uint32_t>(id)),
           " is made by nothing");
}

void verify_state(const Graph& graph) {
  std::unordered_set<uint32_t> inputs, outputs;
  for (const StatePair& pair : graph.state)
    if (pair.input >= graph.inputs.size() || pair.output >= graph.outputs.size() || !inputs.insert(pair.input).second ||
        !outputs.insert(pair.output).second)
      fail(ErrorCode::malformed, "graph '", graph.name, "': input ", pair.input, " cannot be the state of output ",
           pair.output, ": one of them does not exist or is state already");
}

}  // namespace

void verify(const Graph& graph) {
  std::unordered_set<NodeId> seen;
  verify_scope(graph, {}, seen);
  verify_state(graph);
}

void sort_nodes(Graph& graph) {
  const Uses uses(graph);
  const size_t count = graph.nodes.size();
  std::vector<std::vector<size_t>> needs(count);
  for (size_t i = 0; i < count; ++i) {
    auto need = [&](ValueId id) {
      const int64_t producer = id == ValueId::none ? -1 : uses.producer(id);
      if (producer >= 0 && producer != static_cast<int64_t>(i)) needs[i].push_back(static_cast<size_t>(producer));
      if (producer == static_cast<int64_t>(i))
        fail(ErrorCode::malformed, display_name(graph.nodes[i]), ": reads its own output");
    };
    for (const ValueId id : graph.nodes[i].inputs) need(id);
    for_each_nested(graph.nodes[i], [&](const Graph& nested) {
      for (const ValueId id : outer_reads(nested)) need(id);
    });
  }
  // Depth first with an explicit stack: hostile files may be a chain of a million nodes.
  enum : uint8_t { unseen, open, done };
  std::vector<uint8_t> state(count, unseen);
  std::vector<std::pair<size_t, size_t>> stack;
  std::vector<size_t> order;
  for (size_t root = 0; root < count; ++root) {
    if (state[root] != unseen) continue;
    stack.emplace_back(root, 0);
    state[root] = open;
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < needs[node].size()) {
        const size_t child = needs[node][next++];
        if (state[child] == open) fail(ErrorCode::malformed, display_name(graph.nodes[child]), ": is part of a cycle");
        if (state[child] == unseen) state[child] = open, stack.emplace_back(child, 0);
      } else {
        state[node] = done;
        order.push_back(node);
        stack.pop_back();
      }
    }
  }
  std::deque<Node> sorted;
  for (const size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

}  // namespace bitwright
