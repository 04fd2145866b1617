#include "runtime/program.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <mutex>

#include "core/spill.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {

std::string_view name_of(Target target) {
  switch (target) {
    case Target::floating: return "floating";
    case Target::simulated: return "simulated";
    case Target::integer: return "integer";
    case Target::onnxruntime: return "onnxruntime";
  }
  return "unknown";
}

struct Program::State {
  Model model;
  CompileOptions options;
  std::vector<Port> inputs, outputs, state;

  struct Cached {
    std::vector<Shape> shapes;
    std::shared_ptr<const Plan> plan;
  };
  static constexpr size_t kCachedPlans = 16;
  std::mutex looking;        // guards the cache; held for moments
  std::deque<Cached> cache;  // most recently made last
  std::mutex compiling;      // guards `shared`; held while a plan is made, which may take seconds
  SharedConstants shared;

  std::shared_ptr<const Plan> find(const std::vector<Shape>& shapes) {
    const std::lock_guard lock(looking);
    for (const Cached& cached : cache)
      if (cached.shapes == shapes) return cached.plan;
    return nullptr;
  }
  void keep(std::vector<Shape> shapes, std::shared_ptr<const Plan> plan) {
    const std::lock_guard lock(looking);
    if (cache.size() == kCachedPlans) cache.pop_front();
    cache.push_back({std::move(shapes), std::move(plan)});
  }
};

Program::Program() : state_(std::make_unique<State>()) {}
Program::~Program() = default;

namespace {

Port port(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  return {value.name, value.dtype, value.has_shape, value.shape};
}

/// Those of `ids` that no state pair names.
std::vector<Port> ports(const Graph& graph, const std::vector<ValueId>& ids, uint32_t StatePair::*side) {
  std::vector<Port> made;
  for (uint32_t i = 0; i < ids.size(); ++i) {
    const bool kept = std::any_of(graph.state.begin(), graph.state.end(), [&](const StatePair& p) { return p.*side == i; });
    if (!kept) made.push_back(port(graph, ids[i]));
  }
  return made;
}

void refuse_unknown_operators(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    const Op* op = find_op(node.domain, node.op);
    if (!op || !op->run) fail(ErrorCode::unsupported, display_name(node), ": this operator is not supported");
    for (const auto& [key, attribute] : node.attributes)
      if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) refuse_unknown_operators(**nested);
  }
}

}  // namespace

std::vector<Port> input_ports(const Graph& graph) { return ports(graph, graph.inputs, &StatePair::input); }

std::shared_ptr<const Program> Program::compile(Model model, CompileOptions options) {
  verify(model);
  refuse_unknown_operators(model.graph);
  std::shared_ptr<Program> program(new Program());
  State& state = *program->state_;
  state.model = std::move(model);
  state.options = std::move(options);
  const Graph& graph = state.model.graph;
  state.inputs = input_ports(graph);
  state.outputs = ports(graph, graph.outputs, &StatePair::output);
  for (const StatePair& pair : graph.state) {
    state.state.push_back(port(graph, graph.inputs[pair.input]));
    if (!state.state.back().has_shape || state.state.back().dtype == DType::none)
      fail(ErrorCode::unsupported, "state '", state.state.back().name, "': the network does not say its type and shape");
  }
  return program;
}

const Model& Program::model() const { return state_->model; }
const CompileOptions& Program::options() const { return state_->options; }
const std::vector<Port>& Program::inputs() const { return state_->inputs; }
const std::vector<Port>& Program::outputs() const { return state_->outputs; }

const std::vector<Port>& Program::state() const { return state_->state; }

std::vector<Shape> Program::initial_state(std::span<const Shape> shapes) const {
  std::map<int64_t, int64_t> extents;  // of symbols
  for (size_t i = 0; i < shapes.size(); ++i)
    for (size_t d = 0; d < std::min(shapes[i].size(), state_->inputs[i].shape.size()); ++d)
      extents[state_->inputs[i].shape[d]] = shapes[i][d];
  extents.erase(kUnknownDim);
  std::vector<Shape> initial;
  for (const Port& port : state_->state) {
    initial.push_back(port.shape);
    for (int64_t& extent : initial.back())
      if (extent < 0) extent = extents.count(extent) ? extents.at(extent) : 0;
  }
  return initial;
}

namespace {

/// What packed weights take, or a little less.
size_t bytes_of_codes(const Quantization& table) {
  size_t bytes = 0;
  for (const auto& [site, entry] : table.at) bytes += entry.codes.bytes();
  return bytes;
}

/// What a plan reads of the model's files it has copied, most of it at least; the rest comes back when it is read.
void forget_files(const Model& model) {
  std::vector<const void*> data;
  for (const auto& [site, entry] : model.quantization.at)
    if (!entry.codes.empty()) data.push_back(entry.codes.raw());
  bitwright::forget_files(data);
}

/// Input shapes in the graph's order.
std::vector<Shape> with_state(const Graph& graph, std::span<const Shape> shapes, std::span<const Shape> state) {
  std::vector<Shape> all(graph.inputs.size());
  std::vector<bool> taken(graph.inputs.size(), false);
  for (size_t i = 0; i < state.size(); ++i) {
    all[graph.state[i].input] = state[i];
    taken[graph.state[i].input] = true;
  }
  size_t next = 0;
  for (const Shape& shape : shapes) {
    while (taken[next]) ++next;
    all[next++] = shape;
  }
  return all;
}

}  // namespace

std::shared_ptr<const Plan> Program::plan(std::span<const Shape> shapes, std::span<const Shape> state) const {
  State& kept = *state_;
  const Graph& graph = kept.model.graph;
  BW_CHECK(shapes.size() == kept.inputs.size() && state.size() == graph.state.size());
  std::vector<Shape> all = with_state(graph, shapes, state);
  if (auto found = kept.find(all)) return found;
  const std::lock_guard lock(kept.compiling);
  if (auto found = kept.find(all)) return found;  // made while we waited
  auto plan = std::make_shared<Plan>();
  if (kept.shared.made.empty()) kept.shared.memory.expect(bytes_of_codes(kept.model.quantization));
  Lowering(kept.model, kept.options, all, *plan, kept.shared).run();
  kept.shared.memory.trim();
  // A step that makes the next state writes it where the Run keeps it; other outputs (an input passed on) are copied.
  for (const StatePair& pair : graph.state) {
    Buffer& buffer = plan->buffers[static_cast<size_t>(plan->outputs[pair.output])];
    if (buffer.kind == Buffer::arena) buffer.kind = Buffer::state;
  }
  place_buffers(*plan);
  give_back_freed_memory();  // of weights in orders that are not kept
  forget_files(kept.model);
  kept.keep(std::move(all), plan);
  return plan;
}

namespace {

/// What a step reads and writes once, its weights as they are packed. An operator that picks some of its first input's elements
/// (rows of an embedding) reads no more of them than it makes.
int64_t bytes_moved(const Plan& plan, const Step& step, const Graph& graph) {
  const auto bytes = [&](BufferId id) {
    const Buffer& buffer = plan.buffers[static_cast<size_t>(id)];
    const bool shape_only = buffer.kind == Buffer::constant && !buffer.tensor.has_data();
    return shape_only ? 0 : static_cast<int64_t>(buffer.tensor.bytes());
  };
  int64_t written = 0, moved = step.constant_bytes;
  for (const BufferId id : step.writes) written += bytes(id);
  const Node* node = step.info.node == NodeId::none ? nullptr : graph.find_node(step.info.node);
  const bool picks = node && (node->op.rfind("Gather", 0) == 0 || node->is("Slice"));
  for (size_t i = 0; i < step.reads.size(); ++i)
    moved += picks && i == 0 ? std::min(written, bytes(step.reads[i])) : bytes(step.reads[i]);
  return moved + written;
}

}  // namespace

std::vector<StepInfo> Program::steps(std::span<const Shape> shapes) const {
  std::vector<StepInfo> infos;
  const auto compiled = plan(shapes);
  for (const auto& step : compiled->steps) {
    infos.push_back(step->info);
    infos.back().bytes = bytes_moved(*compiled, *step, model().graph);
  }
  return infos;
}

namespace {

/// Bytes of the arena that hold something during a step; places that buffers share count once.
int64_t bytes_in_use(const Plan& plan, int32_t step) {
  std::vector<std::pair<int64_t, int64_t>> places;
  for (const Buffer& b : plan.buffers)
    if (b.kind == Buffer::arena && b.first >= 0 && b.first <= step && step <= b.last)
      places.emplace_back(b.offset, b.offset + static_cast<int64_t>(b.tensor.bytes()));
  std::sort(places.begin(), places.end());
  int64_t used = 0, end = 0;
  for (const auto& [from, to] : places) {
    used += std::max<int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return used;
}

}  // namespace

Program::Memory Program::memory(std::span<const Shape> shapes) const {
  const auto compiled = plan(shapes);
  Memory memory{.arena = compiled->arena_bytes};
  for (int32_t step = 0; step <= std::ssize(compiled->steps); ++step)
    memory.live = std::max(memory.live, bytes_in_use(*compiled, step));
  for (const Buffer& buffer : compiled->buffers)
    if (buffer.kind == Buffer::constant) memory.weights += static_cast<int64_t>(buffer.tensor.bytes());
  for (const auto& step : compiled->steps) memory.weights += step->constant_bytes;
  return memory;
}

namespace {

std::vector<Shape> shapes_with(const std::vector<Port>& inputs, int64_t batch, int64_t length) {
  int64_t batch_symbol = 0;
  for (const Port& port : inputs)
    if (batch_symbol == 0 && !port.shape.empty() && port.shape[0] < 0) batch_symbol = port.shape[0];
  std::vector<Shape> shapes;
  for (const Port& port : inputs) {
    shapes.push_back(port.shape);
    for (int64_t& d : shapes.back())
      if (d < 0) d = d == batch_symbol ? batch : length;
  }
  return shapes;
}

}  // namespace

std::vector<Shape> Program::default_shapes(int64_t batch, int64_t length) const {
  constexpr int64_t kLongest = 4096;
  if (length > 0) return shapes_with(state_->inputs, batch, length);
  const bool free = shapes_with(state_->inputs, batch, 1) != shapes_with(state_->inputs, batch, 2);
  std::exception_ptr first;
  for (length = 1; length <= kLongest; length *= 2) {
    const std::vector<Shape> shapes = shapes_with(state_->inputs, batch, length);
    try {
      plan(shapes);
      return shapes;
    } catch (const Error& e) {
      const bool of_shapes = e.code() == ErrorCode::mismatch || e.code() == ErrorCode::malformed;
      if (!free || !of_shapes) throw;
      if (!first) first = std::current_exception();
    }
  }
  std::rethrow_exception(first);
}

}  // namespace bitwright
