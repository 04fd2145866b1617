#include "api/layers.hpp"

#include <algorithm>
#include <chrono>

#include "kernels/peak.hpp"

namespace bitwright {
namespace {

Isa best_isa(Isa cap) {
  for (const Isa isa : {Isa::avx512, Isa::avxvnni, Isa::avx2})
    if (!isa_refuses(isa, cap)) return isa;
  return Isa::ref;
}

double median(std::vector<int64_t> values) {
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return static_cast<double>(*middle);
}

/// Nanoseconds of every step, run by run.
std::vector<std::vector<int64_t>> profile(const std::shared_ptr<const Program>& program, const Sample& sample, int threads,
                                          double seconds) {
  constexpr int kLeastRuns = 10;
  using Clock = std::chrono::steady_clock;
  Run run(program, {.threads = threads, .pin = true});
  const PinnedCaller pinned;
  run(sample.inputs);
  run.set_profiling(true);
  std::vector<std::vector<int64_t>> times;
  const auto begin = Clock::now();
  for (int i = 0; i < kLeastRuns || std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++i) {
    run(sample.inputs);
    const std::vector<int64_t>& now = run.step_nanoseconds();
    times.resize(now.size());
    for (size_t k = 0; k < now.size(); ++k) times[k].push_back(now[k]);
  }
  return times;
}

Bound bound_of(const LayerTime& layer, const Machine& machine) {
  if (machine.macs == 0 || machine.float_macs == 0) return Bound::unknown;
  if (std::max(layer.peak_share, layer.bandwidth_share) < 0.5) return Bound::overhead;
  return layer.peak_share >= layer.bandwidth_share ? Bound::compute : Bound::memory;
}

}  // namespace

std::string_view name_of(Bound bound) {
  constexpr std::string_view kNames[] = {"", "compute", "memory", "overhead"};
  return kNames[static_cast<size_t>(bound)];
}

Machine measure_machine(const Program& program, const Sample& sample, int threads) {
  Threads team(threads, true);
  const Isa cap = program.options().isa;
  Machine machine{.isa = best_isa(cap), .threads = team.count()};
  machine.macs = peak_macs(machine.isa, team);
  machine.float_macs = peak_float_macs(machine.isa, team);
  const Program::Memory memory = program.memory(sample.shapes());
  machine.bytes = read_bandwidth(memory.arena + memory.weights, team);
  return machine;
}

std::vector<LayerTime> time_layers(const std::shared_ptr<const Program>& program, const Sample& sample, const Machine& machine,
                                   double seconds) {
  const std::vector<StepInfo> steps = program->steps(sample.shapes());
  const auto times = profile(program, sample, machine.threads, seconds);
  std::vector<LayerTime> layers;
  double all = 0;
  for (size_t k = 0; k < steps.size(); ++k) {
    LayerTime layer{.step = steps[k], .us = median(times[k]) / 1e3};
    const double s = std::max(layer.us, 1e-3) / 1e6, peak = layer.step.integer ? machine.macs : machine.float_macs;
    layer.peak_share = peak > 0 ? static_cast<double>(layer.step.macs) / s / peak : 0;
    layer.bandwidth_share = static_cast<double>(layer.step.bytes) / s / machine.bytes;
    layer.bound = bound_of(layer, machine);
    all += layer.us;
    layers.push_back(std::move(layer));
  }
  for (LayerTime& layer : layers) layer.share = layer.us / std::max(all, 1e-3);
  return layers;
}

double peak_share(const Cost& cost, const Machine& machine, double ms, int64_t records) {
  if (machine.macs == 0 || machine.float_macs == 0 || ms <= 0) return 0;
  const auto integers = static_cast<double>(cost.integer_macs), floats = static_cast<double>(cost.macs - cost.integer_macs);
  return static_cast<double>(records) * (integers / machine.macs + floats / machine.float_macs) / (ms / 1e3);
}

}  // namespace bitwright
