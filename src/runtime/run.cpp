// One caller's memory: arena, scratch and state, and the walk over the steps.
#include <algorithm>
#include <chrono>

#include "runtime/plan.hpp"

namespace bitwright {

struct Run::State {
  std::shared_ptr<const Program> program;
  Threads threads;
  Tap tap;
  bool profiling = false;
  std::vector<int64_t> nanoseconds;

  std::shared_ptr<const Plan> plan;
  std::vector<Shape> shapes, state_shapes;
  Tensor arena;
  std::vector<int64_t> scratch_at;  // in the arena, per step
  std::vector<Tensor> tensors, outputs;
  // Two memories for each state take turns: steps read one and write the other.
  std::vector<Tensor> now, next;
  std::vector<size_t> given, returned;  // the graph's inputs and outputs that are no state

  State(std::shared_ptr<const Program> p, RunOptions options) : program(std::move(p)), threads(options.threads, options.pin) {
    now.resize(pairs().size());
    next.resize(pairs().size());
    const Graph& graph = program->model().graph;
    given = others(graph.inputs.size(), &StatePair::input);
    returned = others(graph.outputs.size(), &StatePair::output);
  }

  const std::vector<StatePair>& pairs() const { return program->model().graph.state; }
  std::vector<size_t> others(size_t count, uint32_t StatePair::*side) const {
    std::vector<bool> is_state(count, false);
    for (const StatePair& pair : pairs()) is_state[pair.*side] = true;
    std::vector<size_t> rest;
    for (size_t i = 0; i < count; ++i)
      if (!is_state[i]) rest.push_back(i);
    return rest;
  }
  size_t state_output(size_t i) const { return static_cast<size_t>(plan->outputs[pairs()[i].output]); }
  void adopt(std::vector<Shape> wanted, std::vector<Shape> wanted_state);
  void begin_sequence(std::span<const Shape> input_shapes);
  void bind(std::span<const Tensor> inputs);
  void keep_state();
  void give_outputs();
};

Run::Run(std::shared_ptr<const Program> program, RunOptions options)
    : state_(std::make_unique<State>(std::move(program), options)) {}
Run::~Run() = default;
Run::Run(Run&&) noexcept = default;

void Run::set_tap(Tap tap) { state_->tap = std::move(tap); }
void Run::set_profiling(bool on) { state_->profiling = on; }
const std::vector<int64_t>& Run::step_nanoseconds() const { return state_->nanoseconds; }
const Program& Run::program() const { return *state_->program; }
const std::vector<Tensor>& Run::state() const { return state_->now; }

namespace {

void check_input(const Port& port, const Tensor& given, const Graph& graph) {
  if (!given.has_data()) fail(ErrorCode::mismatch, "input '", port.name, "' was not given");
  if (port.dtype != DType::none && given.dtype() != port.dtype)
    fail(ErrorCode::mismatch, "input '", port.name, "' is ", name_of(given.dtype()), ", the network takes ",
         name_of(port.dtype));
  if (!port.has_shape) return;
  bool fits = port.shape.size() == given.shape().size();
  for (size_t i = 0; fits && i < port.shape.size(); ++i)
    fits = port.shape[i] < 0 || port.shape[i] == given.shape()[i];
  if (!fits)
    fail(ErrorCode::mismatch, "input '", port.name, "' has shape ", to_string(given.shape()), ", the network takes ",
         graph.shape_text(port.shape));
}

bool have_shapes(std::span<const Tensor> tensors, const std::vector<Shape>& shapes) {
  return std::equal(tensors.begin(), tensors.end(), shapes.begin(), shapes.end(),
                    [](const Tensor& t, const Shape& shape) { return t.has_data() && t.shape() == shape; });
}

std::vector<Shape> shapes_of(std::span<const Tensor> tensors) {
  std::vector<Shape> shapes;
  for (const Tensor& t : tensors) shapes.push_back(t.shape());
  return shapes;
}

}  // namespace

void Run::reset(std::span<const Tensor> state) {
  State& s = *state_;
  const auto& ports = s.program->state();
  if (!state.empty() && state.size() != ports.size())
    fail(ErrorCode::mismatch, "the network keeps ", ports.size(), " values as state, got ", state.size());
  for (size_t i = 0; i < state.size(); ++i) check_input(ports[i], state[i], s.program->model().graph);
  for (size_t i = 0; i < ports.size(); ++i) s.now[i] = state.empty() ? Tensor() : state[i].clone();
}

/// Makes the plan for these shapes current: views into one arena, allocated only when it must grow.
void Run::State::adopt(std::vector<Shape> wanted, std::vector<Shape> wanted_state) {
  auto made = program->plan(wanted, wanted_state);
  plan = nullptr;  // until its memory is there: what throws on the way leaves no half plan
  int64_t bytes = made->arena_bytes;
  scratch_at = place_scratch(*made, threads.count(), bytes);
  if (arena.elements() < bytes) arena = in_huge_pages(DType::u8, {bytes});
  tensors.clear();
  for (const Buffer& buffer : made->buffers) {
    if (buffer.kind == Buffer::arena || buffer.kind == Buffer::alias) {
      const int64_t base = buffer.kind == Buffer::alias ? made->buffers[static_cast<size_t>(buffer.root)].offset : 0;
      tensors.push_back(Tensor::view(buffer.tensor.dtype(), buffer.tensor.shape(), arena.raw() + base + buffer.offset));
    } else {
      tensors.push_back(buffer.kind == Buffer::constant ? buffer.tensor : Tensor());
    }
  }
  nanoseconds.assign(made->steps.size(), 0);
  shapes = std::move(wanted), state_shapes = std::move(wanted_state);
  plan = std::move(made);
}

void Run::State::begin_sequence(std::span<const Shape> input_shapes) {
  const std::vector<Shape> initial = program->initial_state(input_shapes);
  for (size_t i = 0; i < now.size(); ++i)
    if (!now[i].has_data()) now[i] = Tensor(program->state()[i].dtype, initial[i]);
}

void Run::State::bind(std::span<const Tensor> inputs) {
  for (size_t i = 0; i < now.size(); ++i) {
    tensors[static_cast<size_t>(plan->inputs[pairs()[i].input])] = now[i];
    const Buffer& to = plan->buffers[state_output(i)];
    if (to.kind != Buffer::state) continue;
    if (next[i].shape() != to.tensor.shape() || next[i].dtype() != to.tensor.dtype() || !next[i].has_data())
      next[i] = Tensor(to.tensor.dtype(), to.tensor.shape());
    tensors[state_output(i)] = next[i];
  }
  for (size_t i = 0; i < given.size(); ++i) tensors[static_cast<size_t>(plan->inputs[given[i]])] = inputs[i];
  if (!plan->dynamic) return;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (plan->buffers[i].kind == Buffer::made) tensors[i] = Tensor();
}

void Run::State::keep_state() {
  for (size_t i = 0; i < now.size(); ++i) {
    const Tensor& made = tensors[state_output(i)];
    if (next[i].has_data() && made.raw() == next[i].raw()) std::swap(now[i], next[i]);
    else now[i] = made.clone();
  }
}

void Run::State::give_outputs() {
  outputs.resize(returned.size());
  for (size_t i = 0; i < returned.size(); ++i) outputs[i] = tensors[static_cast<size_t>(plan->outputs[returned[i]])];
}

const std::vector<Tensor>& Run::operator()(std::span<const Tensor> inputs) {
  State& s = *state_;
  const auto& ports = s.program->inputs();
  const Graph& graph = s.program->model().graph;
  if (inputs.size() != ports.size())
    fail(ErrorCode::mismatch, "the network takes ", ports.size(), " inputs, got ", inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) check_input(ports[i], inputs[i], graph);
  if (!have_shapes(s.now, s.state_shapes) || !have_shapes(inputs, s.shapes)) s.begin_sequence(shapes_of(inputs));
  for (size_t i = 0; i < s.now.size(); ++i) check_input(s.program->state()[i], s.now[i], graph);
  if (!s.plan || !have_shapes(inputs, s.shapes) || !have_shapes(s.now, s.state_shapes))
    s.adopt(shapes_of(inputs), shapes_of(s.now));
  s.bind(inputs);
  StepContext context(s.tensors, s.threads, s.tap);
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < s.plan->steps.size(); ++i) {
    const auto start = s.profiling ? Clock::now() : Clock::time_point();
    const Step& step = *s.plan->steps[i];
    context.set_scratch(s.arena.raw() + s.scratch_at[i], scratch_stride(step));
    step.run(context);
    if (s.profiling)
      s.nanoseconds[i] = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  }
  s.keep_state();
  s.give_outputs();
  return s.outputs;
}

}  // namespace bitwright
