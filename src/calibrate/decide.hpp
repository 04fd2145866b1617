// Internal to placement: which nodes static quantization takes, and why; and the facts about them that say where grids stand.
#pragma once

#include <unordered_set>

#include "calibrate/choose.hpp"

namespace bitwright {

class Decider {
 public:
  /// Decides for every node, in order. What it is given must outlive it.
  Decider(const Graph& graph, const Uses& uses, const Rules& rules, const std::vector<Choice>& choices);

  const std::vector<Decision>& decisions() const { return decisions_; }
  bool quantized(size_t i) const { return quantized_[i]; }

  const Node& node(size_t i) const { return graph_.nodes[i]; }
  const Tensor* constant(ValueId id) const { return graph_.has_value(id) ? graph_.constant(id) : nullptr; }
  /// Inputs that carry activations, left-out ones skipped; both operands of a MatMul without constant weights.
  std::vector<uint16_t> data_inputs(size_t i) const;
  std::vector<uint16_t> data_outputs(size_t i) const;
  /// The only reader of the node's output is a clamp that its requantization can absorb. -1: no node, false.
  bool absorbs(int64_t producer) const;
  /// The product with weights to which node i adds one number per column and which nobody else reads; -1 if there is none. Of
  /// matrices it became a Gemm; of higher rank the sum is float, and codes in between would round twice.
  int64_t biased(size_t i) const;
  /// The bias of the product at i is added behind it.
  bool leaves_biased(size_t i) const;
  /// A result of the network, perhaps in another type, that no quantized node reads.
  bool is_result_only(ValueId value) const;
  /// The first output of node i can never be below zero, by its operator and those before it.
  bool never_negative(size_t i) const { return never_negative_[i]; }

 private:
  void decide(size_t i);
  bool wanted(size_t i, std::string& why) const;
  bool linear_wanted(size_t i, std::string& why) const;
  std::string described(size_t i) const;
  bool ends_graph(size_t i) const;
  bool is_output(ValueId value) const;
  bool becomes_result(ValueId value) const;
  bool is_clamp(size_t i) const;
  bool stays_above_zero(size_t i) const;
  size_t producer_of(size_t i, uint16_t k) const { return static_cast<size_t>(uses_.producer(node(i).inputs[k])); }

  const Graph& graph_;
  const Uses& uses_;
  const Rules& rules_;
  const std::vector<Choice>& choices_;
  std::vector<bool> quantized_, never_negative_;
  std::unordered_set<ValueId> reached_;  // values that have a grid in any case
  std::vector<Decision> decisions_;
};

}  // namespace bitwright
