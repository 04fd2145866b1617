// Static placement: which values get a grid, which share one, where it stands in the table.
#include "calibrate/place.hpp"

#include <algorithm>
#include <unordered_set>

#include "calibrate/choose.hpp"

namespace bitwright {
namespace {

using Kind = QuantRule::Kind;

class StaticPlacer {
 public:
  StaticPlacer(Model model, const Rules& rules, const std::vector<Choice>& choices)
      : rules_(rules), choices_(choices), graph_(model.graph), uses_(model.graph), quantized_(choices.size()) {
    out_.model = std::move(model);
    out_.model.quantization.at.clear();
  }

  Placement run() {
    for (size_t i = 0; i < choices_.size(); ++i) {
      decide(i);
      never_negative_.push_back(never_negative(i));
    }
    for (size_t i = 0; i < choices_.size(); ++i)
      if (quantized_[i]) add_entries(i);
    tie();
    return std::move(out_);
  }

 private:
  const Node& node(size_t i) const { return graph_.nodes[i]; }
  const Tensor* constant(ValueId id) const { return graph_.has_value(id) ? graph_.constant(id) : nullptr; }

  // Inputs that carry activations, left-out ones skipped; both operands of a MatMul without constant weights.
  std::vector<uint16_t> data_inputs(size_t i) const {
    const QuantRule& rule = *choices_[i].rule;
    std::vector<uint16_t> result;
    for (uint16_t k = 0; k < node(i).inputs.size(); ++k) {
      const bool listed = rule.data_inputs.empty() || std::count(rule.data_inputs.begin(), rule.data_inputs.end(), k);
      const bool operand = rule.kind == Kind::linear && k == rule.weight_input && !constant(node(i).inputs[k]);
      if ((listed || operand) && node(i).inputs[k] != ValueId::none) result.push_back(k);
    }
    return result;
  }

  std::vector<uint16_t> data_outputs(size_t i) const {
    std::vector<uint16_t> result;
    for (uint16_t k = 0; k < node(i).outputs.size(); ++k) {
      const ValueId id = node(i).outputs[k];
      if (id == ValueId::none) continue;
      const DType type = graph_.value(id).dtype;
      if (k == 0 || (node(i).is("Split") && (type == DType::f32 || type == DType::none))) result.push_back(k);
    }
    return result;
  }

  void decide(size_t i) {
    std::string why;
    quantized_[i] = wanted(i, why);
    if (quantized_[i])
      for (const uint16_t k : data_outputs(i)) reached_.insert(node(i).outputs[k]);
    if (quantized_[i] && choices_[i].rule->kind == Kind::linear)
      for (const uint16_t k : data_inputs(i)) reached_.insert(node(i).inputs[k]);
    out_.decisions.push_back({node(i).id, label(graph_, node(i)), node(i).op, quantized_[i], why});
  }

  bool wanted(size_t i, std::string& why) const {
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

  size_t producer_of(size_t i, uint16_t k) const { return static_cast<size_t>(uses_.producer(node(i).inputs[k])); }

  bool linear_wanted(size_t i, std::string& why) const {
    const QuantRule& rule = *choices_[i].rule;
    const Weights w = weights_of(graph_, node(i), rule);
    const bool two_activations = node(i).is("MatMul") && !constant(node(i).input(1)) && !constant(node(i).input(0));
    if (w.refusal.empty()) why = str(choices_[i].weight.format->name, " weights, integer accumulators");
    else if (two_activations) why = "both operands are activations";
    else return why = w.refusal, false;
    for (const uint16_t k : data_inputs(i))
      if (constant(node(i).inputs[k])) return why = "its input is constant", false;
    return true;
  }

  // What the engine makes of it (runtime/lower/: binary, table; float between codes where neither applies).
  std::string described(size_t i) const {
    const Kind kind = choices_[i].rule->kind;
    if (kind == Kind::shared) return "codes pass through, same grid";
    const bool adds = node(i).is("Add") || node(i).is("Mul");
    const bool looks_up = kind != Kind::rescale && !node(i).is("Softmax") && choices_[i].activation.format->bits <= 8;
    const std::string range = kind == Kind::fixed ? ", known range" : kind == Kind::rescale ? ", own grid" : "";
    return (adds ? "computed on codes" : looks_up ? "a table over codes" : "codes in and out, computed in float") + range;
  }

  // True when the node makes a result of the network, perhaps through operators that only move data or change their type.
  bool ends_graph(size_t i) const {
    while (!is_output(node(i).output())) {
      const int64_t reader = uses_.single_reader(node(i).output());
      if (reader < 0 || static_cast<size_t>(reader) <= i) return false;
      i = static_cast<size_t>(reader);
      if (!node(i).is("Cast") && (!choices_[i].rule || choices_[i].rule->kind != Kind::shared)) return false;
    }
    return true;
  }

  bool is_output(ValueId value) const { return std::count(graph_.outputs.begin(), graph_.outputs.end(), value) > 0; }

  // True when the only reader of the node's output is a clamp that its requantization can absorb.
  bool absorbs(int64_t producer) const {
    if (!rules_.fuse || producer < 0 || !quantized_[static_cast<size_t>(producer)]) return false;
    const auto i = static_cast<size_t>(producer);
    const QuantRule& rule = *choices_[i].rule;
    if (rule.kind != Kind::linear && rule.kind != Kind::rescale && !rule.clamp_only) return false;
    const int64_t reader = uses_.single_reader(node(i).output());
    return reader >= 0 && is_clamp(static_cast<size_t>(reader)) && node(static_cast<size_t>(reader)).input(0) == node(i).output();
  }

  // The product with weights to which node i adds one number per column and which nobody else reads; -1 if there is none. Of
  // matrices it became a Gemm; of higher rank the sum is float, and codes in between would round twice.
  int64_t biased(size_t i) const {
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

  // The bias of the product at i is added behind it.
  bool leaves_biased(size_t i) const {
    const int64_t reader = node(i).is("MatMul") ? uses_.single_reader(node(i).output()) : -1;
    return reader >= 0 && quantized_[static_cast<size_t>(reader)] && biased(static_cast<size_t>(reader)) == static_cast<int64_t>(i);
  }

  bool is_clamp(size_t i) const {
    if (!choices_[i].rule || !choices_[i].rule->clamp_only || !choices_[i].allowed) return false;
    for (size_t k = 1; k < node(i).inputs.size(); ++k)
      if (node(i).inputs[k] != ValueId::none && !constant(node(i).inputs[k])) return false;
    return true;
  }

  void add_entries(size_t i) {
    const QuantRule& rule = *choices_[i].rule;
    if (rule.kind == Kind::linear) add_weights(i);
    for (const uint16_t k : data_inputs(i))
      if (biased(i) < 0 && !absorbs(uses_.producer(node(i).inputs[k]))) need_grid(i, k);
    if (absorbs(static_cast<int64_t>(i)) || leaves_biased(i)) return;
    for (const uint16_t k : data_outputs(i))
      if (rules_.quantize_outputs || !is_result_only(node(i).outputs[k])) add_output(i, k);
    if (rule.kind == Kind::shared || (rule.clamp_only && !rules_.fuse)) join(i);
  }

  bool is_result_only(ValueId value) const {
    for (const Use& use : uses_.of(value))
      if (use.node != NodeId::none && quantized_[static_cast<size_t>(uses_.position(use.node))]) return false;
    return is_output(value) || becomes_result(value);
  }

  // A result in another type than the network computes in.
  bool becomes_result(ValueId value) const {
    const int64_t reader = uses_.single_reader(value);
    return reader >= 0 && node(static_cast<size_t>(reader)).is("Cast") && is_output(node(static_cast<size_t>(reader)).output());
  }

  void add_weights(size_t i) {
    const Weights w = weights_of(graph_, node(i), *choices_[i].rule);
    if (!w.tensor) return;
    const Site site{node(i).id, Side::input, w.input};
    out_.model.quantization.at[site];
    out_.wishes[site] = weight_wish(choices_[i], *w.tensor, w.axis, w.reduce_axis);
    const int bias = choices_[i].rule->bias_input;
    if (bias < 0 || node(i).input(static_cast<size_t>(bias)) == ValueId::none) return;
    Entry derived;
    derived.when = When::derived;
    out_.model.quantization.at[{node(i).id, Side::input, static_cast<uint16_t>(bias)}] = derived;
  }

  // The value read at input k gets a grid: at its producer, or here if it is a constant.
  void need_grid(size_t i, uint16_t k) {
    const ValueId value = node(i).inputs[k];
    const SiteOf made = producer_site(graph_, uses_, value);
    if (!made.found) return add_constant(i, k);
    if (out_.model.quantization.find(made.site)) return;
    const int64_t producer = uses_.producer(value);
    if (producer >= 0) return add_output(static_cast<size_t>(producer), made.site.index);
    const Choice& reader = choices_[i];
    out_.model.quantization.at[made.site];
    out_.wishes[made.site] = {reader.activation, rules_.observer, {}, {}};
    sites_[value] = made.site;
  }

  void add_output(size_t i, uint16_t k) {
    const Site site{node(i).id, Side::output, k};
    if (out_.model.quantization.find(site)) return;
    const Choice& choice = choices_[i];
    Wish wish{never_negative_[i] ? unsigned_twin(choice.activation) : choice.activation, choice.observer, {}, {}};
    if (choice.rule && choice.rule->kind == Kind::fixed && quantized_[i]) {
      wish.fixed_min = choice.rule->fixed_min;
      wish.fixed_max = choice.rule->fixed_max;
    }
    out_.model.quantization.at[site];
    out_.wishes[site] = std::move(wish);
    sites_[node(i).outputs[k]] = site;
  }

  // Whether the first output of node i can never be below zero, from its operator and from those before it.
  bool never_negative(size_t i) const {
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

  void add_constant(size_t i, uint16_t k) {
    const Tensor* tensor = constant(node(i).inputs[k]);
    if (!tensor || tensor->dtype() != DType::f32 || tensor->elements() == 0) return;
    const auto values = tensor->values<float>();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const Site site{node(i).id, Side::input, k};
    out_.model.quantization.at[site];
    out_.wishes[site] = {choices_[i].activation, "minmax", *low, *high};
  }

  // ---- sharing

  void join(size_t i) {
    std::vector<Site> members;
    for (const uint16_t k : data_outputs(i)) members.push_back({node(i).id, Side::output, k});
    for (const uint16_t k : data_inputs(i)) {
      const auto at = sites_.find(node(i).inputs[k]);
      members.push_back(at != sites_.end() ? at->second : Site{node(i).id, Side::input, k});
    }
    for (const Site& member : members)
      if (out_.model.quantization.find(member)) parent_[root(member)] = root(members.front());
  }

  Site root(Site site) {
    while (true) {
      const auto up = parent_.find(site);
      if (up == parent_.end() || up->second == site) return site;
      site = up->second;
    }
  }

  void tie() {
    std::map<Site, std::vector<Site>> groups;
    for (const auto& [site, entry] : out_.model.quantization.at)
      if (parent_.count(site)) groups[root(site)].push_back(site);
    GroupId next = 1;
    for (const auto& [first, members] : groups) {
      if (members.size() < 2) continue;
      for (const Site& member : members) out_.model.quantization.at[member].tied = next;
      ++next;
    }
  }

  const Rules& rules_;
  const std::vector<Choice>& choices_;
  const Graph graph_;  // shares the constants' memory; stays valid while out_ is moved
  Uses uses_;
  std::vector<bool> quantized_;
  std::vector<bool> never_negative_;
  std::unordered_set<ValueId> reached_;  // values that have a grid in any case
  std::map<ValueId, Site> sites_;
  std::map<Site, Site> parent_;
  Placement out_;
};

}  // namespace

Placement place_static(Model model, const Rules& rules, const std::vector<Choice>& choices) {
  return StaticPlacer(std::move(model), rules, choices).run();
}

Placement place(Model model, const Rules& rules) {
  const std::vector<Choice> choices = choose(model, rules);
  return rules.method == Method::static_ranges ? place_static(std::move(model), rules, choices)
                                               : place_without_data(std::move(model), rules, choices);
}

}  // namespace bitwright
