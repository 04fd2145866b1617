// Internal to placement: what the recipe says about each node once first, last, excludes and overrides are applied, and the
// facts about linear operators that every method of quantization needs.
#pragma once

#include <unordered_map>

#include "calibrate/place.hpp"
#include "ops/op.hpp"

namespace bitwright {

/// The wishes for one node.
struct Choice {
  const QuantRule* rule = nullptr;  // nullptr: the operator is not known
  bool allowed = true;              // false: the recipe keeps it float
  std::string why;                  // if not allowed
  Scheme activation, weight;
  std::string observer;
  bool own_activation = false;      // an override gives it the scheme of its activations
};

/// One per node of the graph, by position. Throws Error{usage} for patterns that name no node.
std::vector<Choice> choose(const Model& model, const Rules& rules);

/// The constant weights of a linear operator that can become codes; else why not.
struct Weights {
  const Tensor* tensor = nullptr;
  uint16_t input = 0;
  int axis = 0;          // output channels
  int reduce_axis = 0;   // the axis that is summed over: groups lie along it
  std::string refusal;
};
Weights weights_of(const Graph& graph, const Node& node, const QuantRule& rule);

/// The wish for weights: per channel needs at least two axes, groups lie along the axis that is summed over.
Wish weight_wish(const Choice& choice, const Tensor& weights, int axis, int reduce_axis);
/// The same scheme with an 8-bit format of the same signedness.
Scheme eight_bits(Scheme scheme);
/// For values that are never negative: a symmetric signed scheme wastes half of its codes, so the unsigned twin.
Scheme unsigned_twin(Scheme scheme);

Placement place_without_data(Model model, const Rules& rules, const std::vector<Choice>& choices);
Placement place_static(Model model, const Rules& rules, const std::vector<Choice>& choices);

}  // namespace bitwright
