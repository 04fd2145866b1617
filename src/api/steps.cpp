// The six steps, one thin function each.
#include "api/api.hpp"

namespace bitwright {

Model add_quant_stubs(Model model) { return model; }

Placement set_qconfig(Model model, const Recipe& recipe) {
  Rules rules = recipe.rules;
  if (rules.method == Method::dynamic && rules.operators.empty()) rules.operators = default_dynamic_operators();
  return place(std::move(model), rules);
}

namespace {

ValueId tapped(const Graph& graph, const Site& site) {
  return site.node == kGraphInput ? graph.inputs[site.index] : graph.find_node(site.node)->output(site.index);
}

std::shared_ptr<const Program> observed_program(const Placement& placement, const std::map<Site, Needs>& needs) {
  CompileOptions options{.target = Target::floating};
  for (const auto& [site, need] : needs) options.taps.push_back(tapped(placement.model.graph, site));
  return Program::compile(placement.model, options);
}

}  // namespace

Observed::Observed(Placement placement, const Recipe& recipe) : placement_(std::move(placement)) {
  options_.observer = recipe.observer;
  options_.weight_observer = recipe.weight_observer;
  needs_ = needs_of(placement_);
  for (const auto& [site, need] : needs_) seen_.emplace(site, Statistics(need));
  run_ = std::make_unique<Run>(observed_program(placement_, needs_));
}

void Observed::begin_sequence() { run_->reset(); }

std::vector<Tensor> Observed::operator()(std::span<const Tensor> inputs, const Counted& counted) {
  const Graph& graph = placement_.model.graph;
  run_->set_tap([&](ValueId value, const Tensor& tensor) {
    for (auto& [site, statistics] : seen_)
      if (tapped(graph, site) == value && tensor.dtype() == DType::f32) statistics.observe(counted_rows(tensor, counted));
  });
  std::vector<Tensor> outputs;
  for (const Tensor& output : (*run_)(inputs)) outputs.push_back(output.clone());
  return outputs;
}

Observed prepare(Placement placement, const Recipe& recipe) { return {std::move(placement), recipe}; }

void calibrate(Observed& observed, const Batches& batches) {
  for (int64_t i = 0; i < batches.count; ++i) {
    if (batches.begins_sequence && batches.begins_sequence(i)) observed.begin_sequence();
    observed(batches.inputs(i), batches.counted(i));
  }
}

Model convert(Observed observed) { return fill(std::move(observed.placement_), observed.seen_, observed.options_); }

}  // namespace bitwright
