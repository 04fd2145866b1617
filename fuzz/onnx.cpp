// ONNX from memory: what is read is folded, simplified, written as nodes and folded again, then compiled for every
// target and, where that is cheap, run on zeros. Every refusal is an Error.
#include "io/onnx/onnx.hpp"

#include "ops/op.hpp"
#include "passes/fold.hpp"
#include "passes/pass.hpp"
#include "protobuf_mutator.hpp"
#include "runtime/program.hpp"

using namespace bitwright;

/// A few bytes may describe a tensor of any size. Asking for so much memory must end in an Error.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=512:allocator_may_return_null=1"; }

namespace {

/// Computing is not what is tested here: long loops over tensors that a few bytes describe would only cost time.
bool is_small(const Graph& graph) {
  if (graph.nodes.size() > 200) return false;
  for (const auto& [id, value] : graph.values()) {
    if (value.is_constant() && value.constant.elements() > 4096) return false;
    for (const int64_t extent : value.shape)
      if (extent > 64) return false;
  }
  for (const Node& node : graph.nodes) {
    if (node.is("Loop") || node.is("Scan")) return false;
    for (const auto& [key, attribute] : node.attributes)  // a Loop may stand in a branch
      if (const auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute); nested && !is_small(**nested)) return false;
  }
  return true;
}

bool is_cheap(const Program& program, std::span<const Shape> shapes) {
  if (program.memory(shapes).arena > 1 << 20) return false;
  int64_t macs = 0;
  for (const StepInfo& step : program.steps(shapes)) macs += step.macs;
  return macs < 1 << 20;
}

void compile_and_run(const Model& model, Target target) {
  const auto program = Program::compile(model, {.target = target});
  const std::vector<Shape> shapes = program->default_shapes(2);
  if (!is_cheap(*program, shapes)) return;
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (program->inputs()[i].dtype == DType::none) return;
    inputs.emplace_back(program->inputs()[i].dtype, shapes[i]);
  }
  Run run(program);
  run(inputs);
}

std::span<const std::string_view> words() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> made{"x", "y", "axis", "axes", "perm", "group", "strides", "pads", "dilations"};
    for (const Op* op : all_ops()) made.push_back(op->name);
    return made;
  }();
  return all;
}

template <class F>
bool succeeds(F f) {
  try {
    f();
    return true;
  } catch (const Error&) {
    return false;
  }
}

size_t store(const std::string& message, uint8_t* data, size_t max_size) {
  const size_t size = std::min(message.size(), max_size);
  std::copy_n(message.begin(), size, data);
  return size;
}

std::string text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  if (seed % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string message = text(data, size);
  ProtobufMutator(seed, words()).mutate(message);
  return store(message, data, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b, size_t b_size,
                                            uint8_t* out, size_t max_size, unsigned seed) {
  std::string message = text(a, a_size);
  ProtobufMutator(seed, words()).cross(message, text(b, b_size));
  return store(message, out, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Model folded;
  const bool read = succeeds([&] {
    const Model model = read_onnx(std::as_bytes(std::span(data, size)), "fuzz");
    verify(model);
    if (!is_small(model.graph)) fail(ErrorCode::resource, "too large to play with");
    folded = simplify(fold(model));
  });
  if (!read) return 0;
  succeeds([&] { fold(materialise(folded)); });
  for (const Target target : {Target::floating, Target::simulated, Target::integer})
    succeeds([&] { compile_and_run(folded, target); });
  return 0;
}
