// The six steps, one thin function each.
#include "api/api.hpp"

namespace bitwright {

Model add_quant_stubs(Model model) { return model; }

Placement set_qconfig(Model model, const Recipe& recipe) { return place(std::move(model), recipe.rules); }

namespace {

ValueId tapped(const Graph& graph, const Site& site) { return graph.find_node(site.node)->output(site.index); }

std::shared_ptr<const Program> observed_program(const Placement& placement, const std::map<Site, Needs>& needs) {
  CompileOptions options{.target = Target::floating};
  for (const auto& [site, need] : needs)
    if (site.node != kGraphInput) options.taps.push_back(tapped(placement.model.graph, site));
  return Program::compile(placement.model, options);
}

}  // namespace

Observed::Observed(Placement placement, const Recipe& recipe) : placement_(std::move(placement)) {
  options_.observer = recipe.observer;
  options_.weight_observer = recipe.weight_observer;
  needs_ = needs_of(placement_);
  for (const auto& [site, need] : needs_) seen_.emplace(site, Statistics(need));
  program_ = observed_program(placement_, needs_);
}

std::vector<Tensor> Observed::operator()(std::span<const Tensor> inputs) {
  Run run(program_);
  const Graph& graph = placement_.model.graph;
  run.set_tap([&](ValueId value, const Tensor& tensor) {
    for (auto& [site, statistics] : seen_)
      if (site.node != kGraphInput && tapped(graph, site) == value && tensor.dtype() == DType::f32)
        statistics.observe(tensor);
  });
  for (auto& [site, statistics] : seen_)
    if (site.node == kGraphInput && inputs[site.index].dtype() == DType::f32) statistics.observe(inputs[site.index]);
  std::vector<Tensor> outputs;
  for (const Tensor& output : run(inputs)) outputs.push_back(output.clone());
  return outputs;
}

Observed prepare(Placement placement, const Recipe& recipe) { return {std::move(placement), recipe}; }

void calibrate(Observed& observed, const Batches& batches) {
  for (int64_t i = 0; i < batches.count; ++i) observed(batches.inputs(i));
}

Model convert(Observed observed) { return fill(std::move(observed.placement_), observed.seen_, observed.options_); }

}  // namespace bitwright
