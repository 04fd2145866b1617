// Static placement decides: which nodes are quantized, and why.
#include "calibrate/decide.hpp"

#include <algorithm>

namespace bitwright {

using Kind = QuantRule::Kind;

Decider::Decider(const Graph& graph, const Uses& uses, const Rules& rules, const std::vector<Choice>& choices)
    : graph_(graph), uses_(uses), rules_(rules), choices_(choices), quantized_(choices.size()) {
  for (size_t i = 0; i < choices.size(); ++i) {
    decide(i);
    never_negative_.push_back(stays_above_zero(i));
  }
}

std::vector<uint16_t> Decider::data_inputs(size_t i) const {
  const QuantRule& rule = *choices_[i].rule;
  std::vector<uint16_t> result;
  for (uint16_t k = 0; k < node(i).inputs.size(); ++k) {
    const bool listed = rule.data_inputs.empty() || std::count(rule.data_inputs.begin(), rule.data_inputs.end(), k);
    const bool operand = rule.kind == Kind::linear && k == rule.weight_input && !constant(node(i).inputs[k]);
    if ((listed || operand) && node(i).inputs[k] != ValueId::none) result.push_back(k);
  }
  return result;
}

std::vector<uint16_t> Decider::data_outputs(size_t i) const {
  std::vector<uint16_t> result;
  for (uint16_t k = 0; k < node(i).outputs.size(); ++k) {
    const ValueId id = node(i).outputs[k];
    if (id == ValueId::none) continue;
    const DType type = graph_.value(id).dtype;
    if (k == 0 || (node(i).is("Split") && (type == DType::f32 || type == DType::none))) result.push_back(k);
  }
  return result;
}

void Decider::decide(size_t i) {
  std::string why;
  quantized_[i] = wanted(i, why);
  if (quantized_[i])
    for (const uint16_t k : data_outputs(i)) reached_.insert(node(i).outputs[k]);
  if (quantized_[i] && choices_[i].rule->kind == Kind::linear)
    for (const uint16_t k : data_inputs(i)) reached_.insert(node(i).inputs[k]);
  decisions_.push_back({node(i).id, label(graph_, node(i)), node(i).op, quantized_[i], why});
}

bool Decider::wanted(size_t i, std::string& why) const {
  const Choice& choice = choices_[i];
  if (!choice.allowed) return why = choice.why, false;
  if (!choice.rule) return why = "an operator that we do not know", false;
  if (node(i).is("LSTM") || node(i).is("GRU") || node(i).is("RNN"))
    return why = "recurrent cells take the modes dynamic and weight-only", false;
  if (choice.rule->kind == Kind::floating) return why = "this operator has no integer form", false;
  if (choice.rule->kind == Kind::linear) return linear_wanted(i, why);
  if (choice.rule->kind == Kind::fixed && ends_graph(i))
    return why = "it makes the network's result: codes would make ties of near probabilities", false;
  if (const int64_t product = biased(i); product >= 0)
    return why = str("the bias of ", label(graph_, node(static_cast<size_t>(product)))), true;
  for (const uint16_t k : data_inputs(i)) {
    if (!reached_.count(node(i).inputs[k])) continue;
    const bool absorbed = choice.rule->clamp_only && absorbs(uses_.producer(node(i).inputs[k]));
    why = absorbed ? str("absorbed into ", label(graph_, node(producer_of(i, k)))) : described(i);
    return true;
  }
  return why = "its input is float", false;
}

bool Decider::linear_wanted(size_t i, std::string& why) const {
  const QuantRule& rule = *choices_[i].rule;
  const Weights w = weights_of(graph_, node(i), rule);
  const bool two_activations = node(i).is("MatMul") && !constant(node(i).input(1)) && !constant(node(i).input(0));
  const bool sums_codes = choices_[i].weight.format->is_integer && choices_[i].activation.format->is_integer;
  if (w.refusal.empty()) why = str(choices_[i].weight.format->name, sums_codes ? " weights, integer accumulators" : " weights, float products");
  else if (two_activations) why = "both operands are activations";
  else return why = w.refusal, false;
  for (const uint16_t k : data_inputs(i))
    if (constant(node(i).inputs[k])) return why = "its input is constant", false;
  return true;
}

// What the engine makes of it (runtime/lower/: binary, table; float between codes where neither applies).
std::string Decider::described(size_t i) const {
  const Kind kind = choices_[i].rule->kind;
  if (const Format& f = *choices_[i].activation.format; !f.is_integer) return str("computed in float, rounded to ", f.name);
  if (kind == Kind::shared) return "codes pass through, same grid";
  const bool adds = node(i).is("Add") || node(i).is("Mul");
  const bool looks_up = kind != Kind::rescale && !node(i).is("Softmax") && choices_[i].activation.format->bits <= 8;
  const std::string range = kind == Kind::fixed ? ", known range" : kind == Kind::rescale ? ", own grid" : "";
  return (adds ? "computed on codes" : looks_up ? "a table over codes" : "codes in and out, computed in float") + range;
}

// True when the node makes a result of the network, perhaps through operators that only move data or change their type.
bool Decider::ends_graph(size_t i) const {
  while (!is_output(node(i).output())) {
    const int64_t reader = uses_.single_reader(node(i).output());
    if (reader < 0 || static_cast<size_t>(reader) <= i) return false;
    i = static_cast<size_t>(reader);
    if (!node(i).is("Cast") && (!choices_[i].rule || choices_[i].rule->kind != Kind::shared)) return false;
  }
  return true;
}

bool Decider::is_output(ValueId value) const { return std::count(graph_.outputs.begin(), graph_.outputs.end(), value) > 0; }

bool Decider::absorbs(int64_t producer) const {
  if (!rules_.fuse || producer < 0 || !quantized_[static_cast<size_t>(producer)]) return false;
  const auto i = static_cast<size_t>(producer);
  const QuantRule& rule = *choices_[i].rule;
  if (rule.kind != Kind::linear && rule.kind != Kind::rescale && !rule.clamp_only) return false;
  const int64_t reader = uses_.single_reader(node(i).output());
  return reader >= 0 && is_clamp(static_cast<size_t>(reader)) && node(static_cast<size_t>(reader)).input(0) == node(i).output();
}

int64_t Decider::biased(size_t i) const {
  if (!rules_.fuse || !node(i).is("Add") || node(i).inputs.size() != 2) return -1;
  for (size_t k = 0; k < 2; ++k) {
    const int64_t product = uses_.producer(node(i).inputs[k]);
    const Tensor* bias = constant(node(i).inputs[1 - k]);
    if (product < 0 || !bias || !quantized_[static_cast<size_t>(product)]) continue;
    const Node& matmul = node(static_cast<size_t>(product));
    const Tensor* w = matmul.is("MatMul") ? constant(matmul.input(1)) : nullptr;
    const bool vector = w && w->rank() == 2 && bias->rank() > 0 && bias->dim(-1) == w->dim(1) && bias->elements() == w->dim(1);
    if (vector && uses_.single_reader(node(i).inputs[k]) >= 0) return product;
  }
  return -1;
}

bool Decider::leaves_biased(size_t i) const {
  const int64_t reader = node(i).is("MatMul") ? uses_.single_reader(node(i).output()) : -1;
  return reader >= 0 && quantized_[static_cast<size_t>(reader)] && biased(static_cast<size_t>(reader)) == static_cast<int64_t>(i);
}

bool Decider::is_clamp(size_t i) const {
  if (!choices_[i].rule || !choices_[i].rule->clamp_only || !choices_[i].allowed) return false;
  for (size_t k = 1; k < node(i).inputs.size(); ++k)
    if (node(i).inputs[k] != ValueId::none && !constant(node(i).inputs[k])) return false;
  return true;
}

bool Decider::is_result_only(ValueId value) const {
  for (const Use& use : uses_.of(value))
    if (use.node != NodeId::none && quantized_[static_cast<size_t>(uses_.position(use.node))]) return false;
  return is_output(value) || becomes_result(value);
}

// A result in another type than the network computes in.
bool Decider::becomes_result(ValueId value) const {
  const int64_t reader = uses_.single_reader(value);
  return reader >= 0 && node(static_cast<size_t>(reader)).is("Cast") && is_output(node(static_cast<size_t>(reader)).output());
}

// Whether the first output of node i can never be below zero, from its operator and from those before it.
bool Decider::stays_above_zero(size_t i) const {
  const Node& n = node(i);
  if (n.is("Relu") || n.is("Sigmoid") || n.is("Softmax") || n.is("HardSigmoid")) return true;
  const Tensor* low = n.is("Clip") && n.input(1) != ValueId::none ? constant(n.input(1)) : nullptr;
  if (low && low->elements() == 1) return value_as_double(*low, 0) >= 0;
  if (!choices_[i].rule || choices_[i].rule->kind != Kind::shared || n.is("Pad")) return false;
  for (const uint16_t k : data_inputs(i)) {
    const int64_t producer = uses_.producer(n.inputs[k]);
    if (producer < 0 || !never_negative_[static_cast<size_t>(producer)]) return false;
  }
  return true;
}

}  // namespace bitwright
