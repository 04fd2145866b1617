#include "api/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>

namespace bitwright {
namespace {

using Times = std::map<std::string, std::map<std::string, double>>;  // by problem and kernel

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

CompileOptions with_kernels(CompileOptions options, KernelChoices choices) {
  options.kernels = std::make_shared<const KernelChoices>(std::move(choices));
  return options;
}

/// A shape that several steps have is timed by the fastest of them.
void add_times(const std::vector<StepInfo>& steps, const std::vector<double>& us, Times& times) {
  BW_CHECK(steps.size() == us.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].problem.empty()) continue;
    auto& time = times[steps[i].problem].try_emplace(steps[i].kernel, us[i]).first->second;
    time = std::min(time, us[i]);
  }
}

}  // namespace

StepClock step_clock(Sample sample, int threads, double seconds) {
  return [sample = std::move(sample), threads, seconds](const std::shared_ptr<const Program>& program) {
    constexpr int kLeastRuns = 10;
    using Clock = std::chrono::steady_clock;
    Run run(program, {.threads = threads, .pin = true});
    const PinnedCaller pinned;
    run(sample.inputs);
    run.set_profiling(true);
    std::vector<std::vector<double>> times(run.step_nanoseconds().size());
    const auto begin = Clock::now();
    for (int i = 0; i < kLeastRuns || std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++i) {
      run(sample.inputs);
      for (size_t k = 0; k < times.size(); ++k) times[k].push_back(static_cast<double>(run.step_nanoseconds()[k]) / 1e3);
    }
    std::vector<double> medians;
    for (const auto& of_step : times) medians.push_back(median(of_step));
    return medians;
  };
}

KernelChoices measure_kernels(const Model& model, const CompileOptions& options, const std::vector<Shape>& shapes, const StepClock& clock,
                              std::vector<KernelTime>* measured) {
  constexpr double kWorthIt = 0.97;
  KernelChoices choices = options.kernels ? *options.kernels : KernelChoices();
  const auto compile = [&](const KernelChoices& with) { return Program::compile(model, with_kernels(options, with)); };
  const auto usual = compile(choices);
  std::map<std::string, StepInfo> open;  // what is to be measured
  size_t rounds = 0;
  for (const StepInfo& step : usual->steps(shapes)) {
    if (step.problem.empty() || step.others.empty() || choices.fastest.count(step.problem)) continue;
    open.emplace(step.problem, step);
    rounds = std::max(rounds, step.others.size());
  }
  if (open.empty()) return choices;
  Times times;
  add_times(usual->steps(shapes), clock(usual), times);
  for (size_t round = 0; round < rounds; ++round) {
    KernelChoices tried = choices;
    for (const auto& [problem, step] : open)
      if (round < step.others.size()) tried.fastest[problem] = step.others[round];
    const auto program = compile(tried);
    add_times(program->steps(shapes), clock(program), times);
  }
  for (const auto& [problem, step] : open) {
    const auto& of = times.at(problem);
    KernelTime best{problem, step.kernel, of.at(step.kernel), step.kernel, of.at(step.kernel)};
    for (const auto& [kernel, us] : of)
      if (us < best.us && us < kWorthIt * best.usual_us) best.kernel = kernel, best.us = us;
    choices.fastest[problem] = best.kernel;
    if (measured) measured->push_back(best);
  }
  return choices;
}

namespace {

/// The model with one node as it was in float; its result still becomes codes where others read them.
Model with_float(const Model& model, NodeId node) {
  Model one = model;
  std::erase_if(one.quantization.at, [&](const auto& place) { return place.first.node == node && place.first.side != Side::output; });
  return one;
}

/// Time of the steps of `a` that `b` has not.
double time_of_own(const std::vector<StepInfo>& a, const std::vector<double>& us, const std::vector<StepInfo>& b) {
  std::multiset<std::pair<std::string, std::string>> there;
  for (const StepInfo& step : b) there.emplace(step.name, step.kernel);
  double own = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto at = there.find({a[i].name, a[i].kernel});
    if (at == there.end()) own += us[i];
    else there.erase(at);
  }
  return own;
}

}  // namespace

std::vector<SlowLayer> slow_in_integers(const Model& quantized, const CompileOptions& options, const std::vector<Shape>& shapes,
                                        const StepClock& clock) {
  CompileOptions floating = options;
  floating.target = Target::floating;
  const auto codes = Program::compile(quantized, options), floats = Program::compile(quantized, floating);
  const std::vector<StepInfo> steps = codes->steps(shapes), float_steps = floats->steps(shapes);
  const std::vector<double> us = clock(codes), float_us = clock(floats);
  std::map<NodeId, double> in_float;
  for (size_t i = 0; i < float_steps.size(); ++i) in_float[float_steps[i].node] += float_us[i];
  std::vector<SlowLayer> slow;
  for (size_t i = 0; i < steps.size(); ++i) {
    const NodeId node = steps[i].node;
    const bool maybe = steps[i].integer && in_float.count(node) && in_float.at(node) < us[i];  // conversions not counted
    if (!maybe) continue;
    const auto other = Program::compile(with_float(quantized, node), options);
    const std::vector<StepInfo> other_steps = other->steps(shapes);
    const std::vector<double> other_us = clock(other);
    const double integers = time_of_own(steps, us, other_steps), with_conversions = time_of_own(other_steps, other_us, steps);
    if (with_conversions < integers) slow.push_back({label(quantized.graph, *quantized.graph.find_node(node)), integers, with_conversions});
  }
  return slow;
}

Recipe keeping_float(Recipe recipe, const std::vector<SlowLayer>& layers) {
  for (const SlowLayer& layer : layers) {
    Override kept;
    kept.match = layer.name;
    kept.quantize = false;
    char text[120];
    std::snprintf(text, sizeof text, "measured: integers take %.1f us, float with its conversions %.1f us", layer.integer_us, layer.float_us);
    kept.why = text;
    recipe.rules.overrides.push_back(std::move(kept));
  }
  return recipe;
}

}  // namespace bitwright
