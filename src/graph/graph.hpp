// The Graph: what a trained network computes, in float, without any trace of quantization (that is a table beside it,
// see quantization.hpp). Nodes carry ONNX operators of the newest opset ("canonical form"; importers upgrade old forms);
// domain "bitwright" holds the few operators ONNX lacks.
//
// Values and nodes are named by ids that are unique over all nested graphs and never reused. Nodes stand in execution
// order. A value is made by a graph input, by a node, or holds a constant.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/tensor.hpp"

namespace bitwright {

enum class ValueId : uint32_t { none = 0 };
enum class NodeId : uint32_t { none = 0 };

/// An extent below zero is a symbol: dimension -1-k has the name Graph::symbols[k] ("N", "sequence"). kUnknownDim is an
/// extent of which nothing is known.
constexpr int64_t kUnknownDim = INT64_MIN;

struct Value {
  ValueId id = ValueId::none;
  std::string name;
  DType dtype = DType::none;  // none: not known
  bool has_shape = false;
  Shape shape;      // may hold symbols
  Tensor constant;  // has data only for constants (initializers)

  bool is_constant() const { return constant.has_data(); }
};

class Graph;

using Attribute = std::variant<int64_t, float, std::string, Tensor, std::shared_ptr<Graph>, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>>;

struct Node {
  NodeId id = NodeId::none;
  std::string op;      // "Conv"
  std::string domain;  // "" for ai.onnx
  std::string name;    // may be empty; diagnostics use display_name
  std::vector<ValueId> inputs;   // ValueId::none: optional input left out
  std::vector<ValueId> outputs;  // likewise
  std::map<std::string, Attribute> attributes;
  std::string unknown_fields;  // protobuf fields of the file we do not interpret, kept for writing

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : ValueId::none; }
  ValueId output(size_t i = 0) const { return i < outputs.size() ? outputs[i] : ValueId::none; }
  bool is(std::string_view op_name) const { return domain.empty() && op == op_name; }

  int64_t attr_int(const std::string& key, int64_t fallback) const;
  float attr_float(const std::string& key, float fallback) const;
  std::string attr_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> attr_ints(const std::string& key, std::vector<int64_t> fallback = {}) const;
  std::vector<float> attr_floats(const std::string& key, std::vector<float> fallback = {}) const;
  bool has_attr(const std::string& key) const { return attributes.count(key) != 0; }

 private:
  template <class T>
  T attr(const std::string& key, T fallback) const;
};

/// A value kept from step to step of a sequence (a recurrent cell's h and c, a cache): what output `output` gives in one
/// step, input `input` takes in the next. Numbers among Graph::inputs and Graph::outputs; see state.hpp.
struct StatePair {
  uint32_t input = 0, output = 0;
};

/// "node 'conv1' (Conv)", or "node #12 (Conv)" when it has no name.
std::string display_name(const Node& node);

class Graph {
 public:
  Graph() : ids_(std::make_shared<Ids>()) {}
  /// A nested graph (a branch of If, the body of Loop): shares the ids, may read the parent's values.
  explicit Graph(const Graph& parent, std::nullptr_t) : ids_(parent.ids_), symbols_(parent.symbols_) {}

  std::string name;
  std::deque<Node> nodes;  // in execution order; a deque, so that adding a node moves no other
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<StatePair> state;
  std::string unknown_fields;

  ValueId add_value(std::string value_name, DType dtype = DType::none);
  ValueId add_constant(std::string value_name, Tensor tensor);
  /// Appends a node with fresh id; outputs must be values of this graph.
  Node& add_node(std::string op, std::vector<ValueId> node_inputs, std::vector<ValueId> node_outputs,
                 std::string node_name = {});
  NodeId new_node_id() { return NodeId{++ids_->node}; }

  /// Values of this graph (not of its parents). `has_value` is false for a parent's.
  bool has_value(ValueId id) const { return values_.count(id) != 0; }
  const Value& value(ValueId id) const;
  Value& value(ValueId id);
  void erase_value(ValueId id) { values_.erase(id); }
  const std::unordered_map<ValueId, Value>& values() const { return values_; }
  /// The constant held by a value of this graph, or nullptr.
  const Tensor* constant(ValueId id) const;
  Node* find_node(NodeId id);
  const Node* find_node(NodeId id) const;

  /// The (negative) extent that stands for the symbol `symbol`, made on first use.
  int64_t symbol(const std::string& symbol_name);
  const std::string& symbol_name(int64_t extent) const { return symbols_->at(static_cast<size_t>(-1 - extent)); }
  /// "[N,3,32,32]"
  std::string shape_text(const Shape& shape) const;

  /// A copy with the same ids that shares constants' memory; nested graphs are copied too.
  Graph clone() const;

 private:
  struct Ids {
    uint32_t value = 0, node = 0;
  };
  std::shared_ptr<Ids> ids_;
  std::shared_ptr<std::vector<std::string>> symbols_ = std::make_shared<std::vector<std::string>>();
  std::unordered_map<ValueId, Value> values_;
};

/// Values of enclosing graphs that a nested graph (and those inside it) reads.
std::vector<ValueId> outer_reads(const Graph& nested);

/// Where a value is read: input `index` of a node, or (node none) output `index` of the graph. `nested`: read inside the
/// node's sub-graphs.
struct Use {
  NodeId node = NodeId::none;
  uint16_t index = 0;
  bool nested = false;
};

/// Producers and readers of every value, built once and valid until the graph changes.
struct Uses {
  explicit Uses(const Graph& graph);
  const std::vector<Use>& of(ValueId value) const;
  /// Position in graph.nodes of the node that makes the value; -1 for inputs and constants.
  int64_t producer(ValueId value) const;
  int64_t position(NodeId node) const;
  /// The position of the only reader if there is exactly one use and it is an ordinary node input, else -1.
  int64_t single_reader(ValueId value) const;

 private:
  std::unordered_map<ValueId, std::vector<Use>> uses_;
  std::unordered_map<ValueId, int64_t> producers_;
  std::unordered_map<NodeId, int64_t> positions_;
};

/// Throws Error{malformed} unless every read value exists before it is read, every value is made once, ids are unique and
/// state pairs name an input and an output each, none twice.
/// Run after every pass.
void verify(const Graph& graph);

/// Orders nodes so that values are made before they are read, keeping the given order where it can;
/// Error{malformed} names a node of a cycle.
void sort_nodes(Graph& graph);

}  // namespace bitwright
