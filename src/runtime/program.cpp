#include "runtime/program.hpp"

#include <chrono>
#include <deque>
#include <mutex>

#include "runtime/lowering.hpp"

namespace bitwright {

std::string_view name_of(Target target) {
  switch (target) {
    case Target::floating: return "floating";
    case Target::simulated: return "simulated";
    case Target::integer: return "integer";
  }
  return "unknown";
}

struct Program::State {
  Model model;
  CompileOptions options;
  std::vector<Port> inputs, outputs;

  struct Cached {
    std::vector<Shape> shapes;
    std::shared_ptr<const Plan> plan;
  };
  static constexpr size_t kCachedPlans = 16;
  std::mutex mutex;
  std::deque<Cached> cache;  // most recently made last
};

Program::Program() : state_(std::make_unique<State>()) {}
Program::~Program() = default;

namespace {

std::vector<Port> ports(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<Port> made;
  for (const ValueId id : ids) {
    const Value& value = graph.value(id);
    made.push_back({value.name, value.dtype, value.has_shape, value.shape});
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

std::shared_ptr<const Program> Program::compile(Model model, CompileOptions options) {
  verify(model);
  refuse_unknown_operators(model.graph);
  std::shared_ptr<Program> program(new Program());
  State& state = *program->state_;
  state.model = std::move(model);
  state.options = std::move(options);
  state.inputs = ports(state.model.graph, state.model.graph.inputs);
  state.outputs = ports(state.model.graph, state.model.graph.outputs);
  return program;
}

const Model& Program::model() const { return state_->model; }
const CompileOptions& Program::options() const { return state_->options; }
const std::vector<Port>& Program::inputs() const { return state_->inputs; }
const std::vector<Port>& Program::outputs() const { return state_->outputs; }

std::shared_ptr<const Plan> Program::plan(std::span<const Shape> shapes) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& cached : state_->cache)
    if (std::equal(shapes.begin(), shapes.end(), cached.shapes.begin(), cached.shapes.end())) return cached.plan;
  auto plan = std::make_shared<Plan>();
  Lowering(state_->model, state_->options, shapes, *plan).run();
  place_buffers(*plan);
  if (state_->cache.size() == State::kCachedPlans) state_->cache.pop_front();
  state_->cache.push_back({{shapes.begin(), shapes.end()}, plan});
  return plan;
}

std::vector<StepInfo> Program::steps(std::span<const Shape> shapes) const {
  std::vector<StepInfo> infos;
  for (const auto& step : plan(shapes)->steps) infos.push_back(step->info);
  return infos;
}

Program::Memory Program::memory(std::span<const Shape> shapes) const {
  const auto compiled = plan(shapes);
  Memory memory{.arena = compiled->arena_bytes};
  for (const Buffer& buffer : compiled->buffers)
    if (buffer.kind == Buffer::constant) memory.weights += static_cast<int64_t>(buffer.tensor.bytes());
  for (const auto& step : compiled->steps) memory.weights += step->constant_bytes;
  return memory;
}

std::vector<Shape> Program::default_shapes(int64_t extent) const {
  std::vector<Shape> shapes;
  for (const Port& port : state_->inputs) {
    shapes.push_back(port.shape);
    for (int64_t& d : shapes.back())
      if (d < 0) d = extent;
  }
  return shapes;
}

// ---- Run

struct Run::State {
  std::shared_ptr<const Program> program;
  Threads threads;
  Tap tap;
  bool profiling = false;
  std::vector<int64_t> nanoseconds;

  std::shared_ptr<const Plan> plan;
  std::vector<Shape> shapes;
  Tensor arena, scratch;
  std::vector<Tensor> tensors, outputs;

  State(std::shared_ptr<const Program> p, int count) : program(std::move(p)), threads(count) {}

  /// Makes the plan for these shapes current: views into one arena, allocated only when it must grow.
  void adopt(std::vector<Shape> wanted) {
    plan = program->plan(wanted);
    shapes = std::move(wanted);
    if (arena.elements() < plan->arena_bytes) arena = Tensor(DType::u8, {plan->arena_bytes});
    const int64_t scratch_bytes = plan->scratch_bytes * threads.count();
    if (scratch.elements() < scratch_bytes) scratch = Tensor(DType::u8, {scratch_bytes});
    tensors.clear();
    for (const Buffer& buffer : plan->buffers) {
      if (buffer.kind == Buffer::arena) {
        tensors.push_back(Tensor::view(buffer.tensor.dtype(), buffer.tensor.shape(), arena.raw() + buffer.offset));
      } else {
        tensors.push_back(buffer.kind == Buffer::constant ? buffer.tensor : Tensor());
      }
    }
    nanoseconds.assign(plan->steps.size(), 0);
  }
};

Run::Run(std::shared_ptr<const Program> program, RunOptions options)
    : state_(std::make_unique<State>(std::move(program), options.threads)) {}
Run::~Run() = default;
Run::Run(Run&&) noexcept = default;

void Run::set_tap(Tap tap) { state_->tap = std::move(tap); }
void Run::set_profiling(bool on) { state_->profiling = on; }
const std::vector<int64_t>& Run::step_nanoseconds() const { return state_->nanoseconds; }
const Program& Run::program() const { return *state_->program; }

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

}  // namespace

const std::vector<Tensor>& Run::operator()(std::span<const Tensor> inputs) {
  State& s = *state_;
  const auto& ports = s.program->inputs();
  if (inputs.size() != ports.size())
    fail(ErrorCode::mismatch, "the network takes ", ports.size(), " inputs, got ", inputs.size());
  std::vector<Shape> shapes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check_input(ports[i], inputs[i], s.program->model().graph);
    shapes.push_back(inputs[i].shape());
  }
  if (!s.plan || shapes != s.shapes) s.adopt(std::move(shapes));
  for (size_t i = 0; i < inputs.size(); ++i) s.tensors[static_cast<size_t>(s.plan->inputs[i])] = inputs[i];
  if (s.plan->dynamic)
    for (size_t i = 0; i < s.tensors.size(); ++i)
      if (s.plan->buffers[i].kind == Buffer::made) s.tensors[i] = Tensor();
  StepContext context(s.tensors, s.threads, s.tap, s.scratch.raw(), s.plan->scratch_bytes);
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < s.plan->steps.size(); ++i) {
    const auto start = s.profiling ? Clock::now() : Clock::time_point();
    s.plan->steps[i]->run(context);
    if (s.profiling)
      s.nanoseconds[i] = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
  }
  s.outputs.clear();
  for (const BufferId id : s.plan->outputs) s.outputs.push_back(s.tensors[static_cast<size_t>(id)]);
  return s.outputs;
}

}  // namespace bitwright
