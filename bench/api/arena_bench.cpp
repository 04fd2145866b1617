// B12: bytes of the arena by the most that is in use during one step, which no plan can go below; what is timed is making the plan of a
// new Program, weights packed. The check: the same bits as with every value in a place of its own.
#include "networks.hpp"

namespace bitwright {
namespace {

/// Every quantized value is tapped and so keeps memory of its own while anybody may look.
bool planned_is_right(const Model& model, std::span<const Tensor> inputs) {
  std::vector<ValueId> values;
  for (const Node& node : model.graph.nodes)
    if (model.quantization.find({node.id, Side::output, 0})) values.push_back(node.output());
  return same_bits(outputs_of(model, {.onednn = false}, inputs, 1), outputs_of(model, {.taps = values, .onednn = false}, inputs, 1));
}

void arena(benchmark::State& state, NetworkFile file) {
  const Model model = quantized_network(file);
  const auto program = Program::compile(model);
  const std::vector<Shape> shapes = program->default_shapes();
  if (!planned_is_right(model, random_inputs(*program, 1, 7))) return state.SkipWithError("other bits than unplanned");
  const Program::Memory memory = program->memory(shapes);
  if (memory.arena < memory.live) return state.SkipWithError("the arena is less than what lives at once");
  for (auto _ : state) {
    state.PauseTiming();
    const auto fresh = Program::compile(model);
    state.ResumeTiming();
    benchmark::DoNotOptimize(fresh->memory(shapes));
  }
  state.counters["arena_bytes"] = static_cast<double>(memory.arena);
  state.counters["live_bytes"] = static_cast<double>(memory.live);
  state.counters["arena/live"] = static_cast<double>(memory.arena) / static_cast<double>(memory.live);
}

[[maybe_unused]] const bool registered = (for_each_network("B12_arena", arena), true);

}  // namespace
}  // namespace bitwright
