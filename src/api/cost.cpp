#include "api/cost.hpp"

#include <algorithm>
#include <chrono>

#include "api/api.hpp"

namespace bitwright {
namespace {

// Bits of the numbers that a step multiplies: the formats of its weights and of the activations that it reads.
double bits_of_grid(const Grid* grid) { return grid && grid->format ? grid->format->bits : 32; }

double bit_operations(const Model& model, const Uses& uses, const StepInfo& step) {
  const Node* node = step.node == NodeId::none ? nullptr : model.graph.find_node(step.node);
  if (!node || !step.integer) return static_cast<double>(step.macs) * 32 * 32;
  return static_cast<double>(step.macs) * bits_of_grid(grid_read(model, uses, *node, 0)) *
         bits_of_grid(grid_read(model, uses, *node, 1));
}

}  // namespace

Cost cost_of(const Program& program, int64_t length) {
  const std::vector<Shape> shapes = program.default_shapes(1, length);
  const Model& model = program.model();
  const Uses uses(model.graph);
  Cost cost;
  for (const StepInfo& step : program.steps(shapes)) {
    cost.macs += step.macs;
    if (step.integer) cost.integer_macs += step.macs;
    cost.bytes_moved += step.bytes;
    cost.bit_operations += bit_operations(model, uses, step);
  }
  const auto memory = program.memory(shapes);
  cost.arena_bytes = memory.arena;
  cost.weight_bytes = memory.weights;
  return cost;
}

Latency measure_latency(const std::shared_ptr<const Program>& program, int threads, int64_t batch, double seconds,
                        Sink* sink, int64_t length) {
  using Clock = std::chrono::steady_clock;
  const std::vector<Tensor> inputs = random_inputs(*program, batch, 1, length);
  Run run(program, {threads});
  run(inputs);
  std::vector<double> times;
  const auto start = Clock::now();
  double spent = 0;
  while (spent < seconds || times.size() < 3) {
    report_progress(sink, "timing", static_cast<int64_t>(std::min(1.0, spent / seconds) * 100), 100);
    const auto before = Clock::now();
    run(inputs);
    const auto after = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(after - before).count());
    spent = std::chrono::duration<double>(after - start).count();
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), static_cast<int64_t>(times.size()), batch};
}

}  // namespace bitwright
