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

std::vector<Shape> Sample::shapes() const {
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  return shapes;
}

Sample sample_of(const Program& program, const Dataset& data, int64_t batch) {
  const int64_t records = batch_of(program.inputs(), batch);
  const Batch filled = data.filled_batch(0, records, batch_of(program.inputs(), 0));
  return {bind_inputs(program.model().graph, program.inputs(), data, filled), filled.records};
}

Sample sample_of(const Program& program, int64_t batch, int64_t length) {
  const int64_t records = batch_of(program.inputs(), batch);
  return {random_inputs(program, records, 1, length), records};
}

Cost cost_of(const Program& program, const Sample& sample) {
  const std::vector<Shape> shapes = sample.shapes();
  const Model& model = program.model();
  const Uses uses(model.graph);
  Cost cost;
  for (const StepInfo& step : program.steps(shapes)) {
    cost.macs += step.macs;
    if (step.integer) cost.integer_macs += step.macs;
    cost.bytes_moved += step.bytes;
    cost.bit_operations += bit_operations(model, uses, step);
  }
  cost.macs /= sample.records, cost.integer_macs /= sample.records, cost.bytes_moved /= sample.records;
  cost.bit_operations /= static_cast<double>(sample.records);
  const auto memory = program.memory(shapes);
  cost.arena_bytes = memory.arena;
  cost.live_bytes = memory.live;
  cost.weight_bytes = memory.weights;
  return cost;
}

Stopwatch::Stopwatch(std::shared_ptr<const Program> program, Sample sample, int threads)
    : run_(std::move(program), {.threads = threads, .pin = true}), sample_(std::move(sample)) {
  run_(sample_.inputs);
}

Latency Stopwatch::burst(double seconds, Sink* sink, size_t least) {
  using Clock = std::chrono::steady_clock;
  const PinnedCaller pinned;
  std::vector<double> times;
  const auto start = Clock::now();
  double spent = 0;
  while (spent < seconds || times.size() < least) {
    report_progress(sink, "timing", static_cast<int64_t>(std::min(1.0, spent / seconds) * 100), 100);
    const auto before = Clock::now();
    run_(sample_.inputs);
    const auto after = Clock::now();
    times.push_back(std::chrono::duration<double, std::milli>(after - before).count());
    spent = std::chrono::duration<double>(after - start).count();
  }
  std::sort(times.begin(), times.end());
  const size_t p99 = (times.size() * 99 + 99) / 100 - 1;  // nearest rank
  return {times[times.size() / 2], times.front(), times[p99], static_cast<int64_t>(times.size()), sample_.records};
}

Latency measure_latency(const std::shared_ptr<const Program>& program, const Sample& sample, int threads, double seconds, Sink* sink) {
  return Stopwatch(program, sample, threads).burst(seconds, sink);
}

}  // namespace bitwright
