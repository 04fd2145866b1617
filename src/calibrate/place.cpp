// Static placement: which values get a grid, which share one, where it stands in the table.
#include "calibrate/place.hpp"

#include <algorithm>

#include "calibrate/decide.hpp"
#include "graph/nested.hpp"

namespace bitwright {
namespace {

using Kind = QuantRule::Kind;

class StaticPlacer {
 public:
  StaticPlacer(Model model, const Rules& rules, const std::vector<Choice>& choices)
      : rules_(rules), choices_(choices), graph_(model.graph), uses_(graph_), decided_(graph_, uses_, rules, choices) {
    out_.model = std::move(model);
    out_.model.quantization.at.clear();
  }

  Placement run() {
    out_.decisions = decided_.decisions();
    for (size_t i = 0; i < choices_.size(); ++i)
      if (decided_.quantized(i)) add_entries(i);
    tie();
    return std::move(out_);
  }

 private:
  const Node& node(size_t i) const { return graph_.nodes[i]; }

  void add_entries(size_t i) {
    const QuantRule& rule = *choices_[i].rule;
    if (rule.kind == Kind::linear) add_weights(i);
    for (const uint16_t k : decided_.data_inputs(i))
      if (decided_.biased(i) < 0 && !decided_.absorbs(uses_.producer(node(i).inputs[k]))) need_grid(i, k);
    if (decided_.absorbs(static_cast<int64_t>(i)) || decided_.leaves_biased(i)) return;
    for (const uint16_t k : decided_.data_outputs(i))
      if (rules_.quantize_outputs || !decided_.is_result_only(node(i).outputs[k])) add_output(i, k);
    if (rule.kind == Kind::shared || (rule.clamp_only && !rules_.fuse)) join(i);
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
    Wish wish{decided_.never_negative(i) ? unsigned_twin(choice.activation) : choice.activation, choice.observer, {}, {}};
    if (choice.rule && choice.rule->kind == Kind::fixed && decided_.quantized(i)) {
      wish.fixed_min = choice.rule->fixed_min;
      wish.fixed_max = choice.rule->fixed_max;
    }
    out_.model.quantization.at[site];
    out_.wishes[site] = std::move(wish);
    sites_[node(i).outputs[k]] = site;
  }

  void add_constant(size_t i, uint16_t k) {
    const Tensor* tensor = decided_.constant(node(i).inputs[k]);
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
    for (const uint16_t k : decided_.data_outputs(i)) members.push_back({node(i).id, Side::output, k});
    for (const uint16_t k : decided_.data_inputs(i)) {
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
      for (const Site& member : members) {
        out_.model.quantization.at[member].tied = next;
        if (member.side == Side::output && member.node != kGraphInput) note_lost_override(member, members.front());
      }
      ++next;
    }
  }

  // Places that share a grid have the scheme of the first.
  void note_lost_override(const Site& member, const Site& first) {
    const Scheme &own = out_.wishes.at(member).scheme, &shared = out_.wishes.at(first).scheme;
    const bool same = own.format == shared.format && own.symmetry == shared.symmetry;
    if (same || !choices_[static_cast<size_t>(uses_.position(member.node))].own_activation) return;
    const std::string name = first.node == kGraphInput ? graph_.value(graph_.inputs[first.index]).name
                                                       : label(graph_, *graph_.find_node(first.node));
    for (Decision& decision : out_.decisions)
      if (decision.node == member.node) decision.why += str("; it shares the grid of ", name, ": the override of its activations does nothing");
  }

  const Rules& rules_;
  const std::vector<Choice>& choices_;
  const Graph graph_;  // shares the constants' memory; stays valid while out_ is moved
  const Uses uses_;
  const Decider decided_;
  std::map<ValueId, Site> sites_;
  std::map<Site, Site> parent_;
  Placement out_;
};

}  // namespace

Placement place_static(Model model, const Rules& rules, const std::vector<Choice>& choices) {
  return StaticPlacer(std::move(model), rules, choices).run();
}

namespace {

/// Layers of branches and loop bodies, which no choice reaches.
void tell_nested_layers(const Graph& graph, std::vector<Decision>& decisions) {
  for (const Node& node : graph.nodes)
    for_each_nested(node, [&](const Graph& nested) {
      for (const PlacedNode& placed : all_nodes(nested)) {
        const Node& inner = *placed.node;
        const Op* op = find_op(inner.domain, inner.op);
        const bool recurrent = inner.is("LSTM") || inner.is("GRU") || inner.is("RNN");
        if (!recurrent && (!op || op->quant.kind != Kind::linear)) continue;
        decisions.push_back({inner.id, label(*placed.graph, inner), inner.op, false,
                             str("it stands inside of ", label(graph, node), " (", node.op, "), where nothing is quantized")});
      }
    });
}

}  // namespace

Placement place(Model model, const Rules& rules) {
  const std::vector<Choice> choices = choose(model, rules);
  Placement placement = rules.method == Method::static_ranges ? place_static(std::move(model), rules, choices)
                                                              : place_without_data(std::move(model), rules, choices);
  tell_nested_layers(placement.model.graph, placement.decisions);
  return placement;
}

}  // namespace bitwright
