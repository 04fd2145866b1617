// A Program is a Model made ready to run: compiled once, immutable, shared between threads. Four targets come from the
// same compiler and read the same Quantization:
//
//   floating     the Graph as it is; the table is ignored
//   simulated  every value stays float32, quantized values lie exactly on their grids, and linear operators compute on
//              integer-valued floats: an independent second implementation of the integer arithmetic
//   integer    codes in memory and our integer kernels wherever the table allows; float steps in between
//   onnxruntime  integer, except for what ONNX Runtime's session leaves in float with its default options: for seeing
//              beforehand what a file will do there (lower/as_onnxruntime.cpp)
//
// simulated and integer give the same codes bit for bit. Each caller owns a Run:
//
//     auto program = Program::compile(model, {.target = Target::integer});
//     Run run(program, {.threads = 2});
//     std::vector<Tensor> outputs = run({input});          // valid until the next call
//
// The Graph's state (graph/state.hpp) is neither asked of the caller nor given to him: the Run keeps it from call to call,
// one call being one step of a sequence, and run.reset() begins the next sequence.
#pragma once

#include <functional>
#include <memory>

#include "core/threads.hpp"
#include "graph/quantization.hpp"
#include "runtime/kernel_choices.hpp"

namespace bitwright {

enum class Target : uint8_t { floating, simulated, integer, onnxruntime };
std::string_view name_of(Target target);

struct CompileOptions {
  Target target = Target::integer;
  /// Values that a Run will hand to its tap; they are computed as values of their own, never fused away.
  std::vector<ValueId> taps;
  /// A tap sees a value in the order that it was made in, images perhaps as [N, ..., C]: for who looks at no places. No copy then.
  bool taps_as_made = false;
  Isa isa = isa_cap();
  /// oneDNN for heavy float operators, where it was built in.
  bool onednn = true;
  /// What was measured; may be null.
  std::shared_ptr<const KernelChoices> kernels;
};

/// What a compiled step is, for `inspect` and `bench`.
struct StepInfo {
  NodeId node = NodeId::none;  // the (first) node it computes
  std::string name;            // display_name of it, "+ Relu" for what was fused
  std::string kernel;          // "conv_u8s8_6x64_avx512", "float Conv (onednn)", "quantize"
  bool integer = false;        // multiplies codes
  bool exact = true;           // same bits on every instruction set and thread count
  int64_t macs = 0;            // multiply-adds
  int64_t bytes = 0;           // read and written, weights included
  std::vector<std::string> notes;  // refusals of better kernels, certificates
  std::string problem;               // where kernels can be measured against each other: what is computed, in words,
  std::vector<std::string> others;   // and the kernels that might do it besides
};

/// Shapes of one call compiled to a flat list of steps over one arena. Internal; see plan.hpp.
class Plan;

struct Port {
  std::string name;
  DType dtype = DType::none;
  bool has_shape = false;
  Shape shape;  // negative extents: symbols
};

/// What a caller gives: the graph's inputs that are no state.
std::vector<Port> input_ports(const Graph& graph);

class Program {
 public:
  /// Throws Error{unsupported, malformed} naming the node. Constants are shared with the model, packed weights are made
  /// on the first plan.
  static std::shared_ptr<const Program> compile(Model model, CompileOptions options = {});
  ~Program();

  const Model& model() const;
  const CompileOptions& options() const;
  /// What a caller gives and gets: the graph's inputs and outputs without its state.
  const std::vector<Port>& inputs() const;
  const std::vector<Port>& outputs() const;
  /// The inputs that are state, as Graph::state has them.
  const std::vector<Port>& state() const;
  /// Shapes of the state at the start of a sequence: free extents are those of the inputs that have the same symbol,
  /// others 0 (a cache that starts empty).
  std::vector<Shape> initial_state(std::span<const Shape> shapes) const;

  /// The plan for these input shapes (by position) and shapes of the state: compiled on first use, kept in a bounded
  /// cache. Thread safe.
  std::shared_ptr<const Plan> plan(std::span<const Shape> shapes, std::span<const Shape> state) const;
  std::shared_ptr<const Plan> plan(std::span<const Shape> shapes) const { return plan(shapes, initial_state(shapes)); }
  /// Steps of that plan, in order.
  std::vector<StepInfo> steps(std::span<const Shape> shapes) const;
  /// Bytes of the plan's arena, of the most of it that is in use during one step, and of constants in the form kernels read.
  struct Memory {
    int64_t arena = 0, live = 0, weights = 0;
  };
  Memory memory(std::span<const Shape> shapes) const;
  /// Shapes of inputs() to try the program on: the symbol that comes first along a first axis is `batch`, all others are
  /// `length`; 0: the least power of two that the network takes. Throws what compiling throws if none up to 4096 does.
  std::vector<Shape> default_shapes(int64_t batch = 1, int64_t length = 0) const;

 private:
  Program();
  struct State;
  std::unique_ptr<State> state_;
};

/// Called after the step that makes a tapped value: its float value (plain layout unless CompileOptions::taps_as_made), valid
/// during the call only.
using Tap = std::function<void(ValueId value, const Tensor& tensor)>;

struct RunOptions {
  int threads = 1;   // 0: one per core
  bool pin = false;  // its threads stay on cores of their own (Threads)
};

class Run {
 public:
  explicit Run(std::shared_ptr<const Program> program, RunOptions options = {});
  ~Run();
  Run(Run&&) noexcept;

  void set_tap(Tap tap);
  /// Computes the outputs for inputs by position. Types must fit (Error{mismatch} names the input); shapes may change
  /// from call to call. The tensors returned live until the next call.
  const std::vector<Tensor>& operator()(std::span<const Tensor> inputs);
  const std::vector<Tensor>& operator()(std::initializer_list<Tensor> inputs) {
    return (*this)(std::span<const Tensor>(inputs.begin(), inputs.size()));
  }
  /// Begins a new sequence: the next call finds the state at zero, or at these values by position of Program::state(),
  /// which are copied (to go on where another Run stood).
  void reset(std::span<const Tensor> state = {});
  /// What the next call will find; empty tensors before the first call of a sequence that starts at zero.
  const std::vector<Tensor>& state() const;
  /// Nanoseconds that each step of the last call took, when profiling is on.
  void set_profiling(bool on);
  const std::vector<int64_t>& step_nanoseconds() const;
  const Program& program() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitwright
