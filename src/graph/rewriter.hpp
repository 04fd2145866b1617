// The one way in which passes change a Model. Nodes are added and erased here, and the entries of the quantization move
// along: entries of erased nodes vanish, an output's entry can be handed to whoever makes or reads the value instead,
// and constants are permuted, reshaped and scaled together with their codes and grids.
//
//     Rewriter r(model);
//     for (const NodeId id : r.nodes()) { ... r.replace(y, x); r.erase(id); ... }
//     r.commit();
#pragma once

#include <set>

#include "graph/quantization.hpp"

namespace bitwright {

/// In `graph` and its nested graphs every read of `from` becomes a read of `to`; graph outputs only if `outputs`.
void replace_reads(Graph& graph, ValueId from, ValueId to, bool outputs);

class Rewriter {
 public:
  explicit Rewriter(Model& model) : model_(model) { index_nodes(); }

  Graph& graph() { return model_.graph; }
  Quantization& quantization() { return model_.quantization; }
  /// The nodes that were there when asked, in order.
  std::vector<NodeId> nodes() const;
  /// nullptr when erased.
  Node* node(NodeId id);
  /// The node that makes a value; nullptr for inputs and constants.
  Node* producer(ValueId value);
  const std::vector<Use>& readers(ValueId value) { return uses().of(value); }
  /// The only reader if the value has exactly one use and that is a node's input.
  Node* single_reader(ValueId value);
  bool is_graph_output(ValueId value);
  bool is_graph_input(ValueId value) const;

  /// Adds a node; it takes its place in the order at commit(). References to nodes live until commit().
  Node& add(std::string op, std::vector<ValueId> inputs, std::vector<ValueId> outputs, std::string name = {});
  ValueId add_value(const std::string& name, DType dtype) { return graph().add_value(name, dtype); }
  ValueId add_constant(const std::string& name, Tensor tensor) { return graph().add_constant(name, std::move(tensor)); }
  /// The value becomes a constant; the node that made it must be erased by the caller.
  void set_constant(ValueId value, Tensor tensor);
  void set_input(Node& node, size_t index, ValueId value);

  /// Readers of `from` read `to` instead; the name of a graph output stays with the interface. False, and nothing
  /// happens, where that cannot be: `to` is itself an input or output of the graph, or `from` has an entry that cannot
  /// be handed to its readers.
  bool replace(ValueId from, ValueId to);
  /// Removes the node, with its entries; nothing may read its outputs at commit().
  void erase(NodeId id);
  /// The entry of one place becomes that of another (a fused node takes over the output of the node it replaces).
  void move_entry(const Site& from, const Site& to);
  /// All entries of a node, which the other one takes the place of.
  void move_entries(NodeId from, NodeId to);
  void move_output_entry(NodeId from, NodeId to, uint16_t index = 0);
  /// The entry at the output that makes `value`, or nullptr; and whether a place has one.
  const Entry* output_entry(ValueId value);
  const Entry* input_entry(const Node& node, size_t index) const;
  bool has_entries(const Node& node) const;

  /// Erases marked nodes, sorts the added ones in, drops values that nobody makes or reads.
  void commit();
  /// Drops values that nobody makes or reads; part of commit().
  void drop_unread_values();
  /// True if anything was changed, committed or not.
  bool changed() const { return changed_ || changed_any_; }

 private:
  Model& model_;
  std::unique_ptr<Uses> uses_;
  std::unordered_map<NodeId, size_t> positions_;
  std::set<NodeId> erased_;
  bool changed_ = false, changed_any_ = false, added_ = false;

  const Uses& uses();
  void index_nodes();
  void forget_erased();
  void touch() { uses_.reset(), changed_ = true; }
  bool hand_entry_to_readers(ValueId value);
};

/// A constant as one reader sees it: its float contents and, if it is quantized, its codes and grid.
struct ConstantView {
  Tensor values;
  Entry entry;  // empty chain: float
};
/// Dimension i of the result is dimension perm[i] of the constant; axes and blocks follow.
ConstantView permuted(const ConstantView& constant, const std::vector<int64_t>& perm);
/// Another shape with as many elements; false when the grid's axis or blocks do not survive.
bool reshaped(ConstantView& constant, const Shape& shape);
/// Row c along `axis` is multiplied by factors[c]. Codes stay as they are and the scales take the factor (negative ones
/// and zeros cannot, then false); a grid for the whole tensor becomes one per channel of `axis`.
bool scaled(ConstantView& constant, int axis, std::span<const float> factors);
/// All of it by one factor; any layout of the grid stays.
bool scaled(ConstantView& constant, float factor);

}  // namespace bitwright
