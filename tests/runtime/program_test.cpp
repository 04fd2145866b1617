// What a Program promises beside its numbers: runs of known shapes allocate nothing, plans of other shapes share what does
// not depend on the shape, and threads may ask for plans at the same time.
#include <gtest/gtest.h>

#include <thread>

#include "allocations.hpp"
#include "runtime/plan.hpp"
#include "runtime/weights.hpp"
#include "small.hpp"

namespace bitwright {
namespace {

std::shared_ptr<const Program> integer_program() { return Program::compile(Small("uint8").model, {.target = Target::integer}); }

TEST(Program, IntegerRunsAllocateNothing) {
  Small small("uint8");
  bitwright::Run run(Program::compile(small.model), {.threads = 2});
  const Tensor inputs[] = {small.noise({2, 3, 9, 8}, 1)};
  run(inputs);  // makes the plan
  const int64_t before = allocations();
  run(inputs);
  EXPECT_EQ(allocations() - before, 0);
}

TEST(Program, PlansShareWhatDoesNotDependOnTheShape) {
  if (isa_cap() == Isa::ref) GTEST_SKIP() << "the reference kernels read weights as they are: little to share";
  const auto program = integer_program();
  auto cost = [&](int64_t batch) {
    const int64_t before = allocated_bytes();
    program->plan(std::vector<Shape>{{batch, 3, 9, 8}});
    return allocated_bytes() - before;
  };
  const int64_t first = cost(1), second = cost(2);
  EXPECT_LT(second, first / 2);
  EXPECT_EQ(cost(2), cost(1));  // both in the cache: only the list of shapes is made
}

TEST(Program, AFloatStepOfAQuantizedNetworkSaysWhy) {
  Small small("uint8");
  const std::vector<float> scales = {0.02f, 0.03f, 0.04f};
  small.model.quantization.at[{kGraphInput, Side::output, 0}].chain = {channel_grid(format_named("uint8"), 1, scales)};
  bool told = false;
  for (const StepInfo& step : Program::compile(small.model)->steps(std::vector<Shape>{{1, 3, 9, 8}}))
    if (step.name.find("'c1'") != std::string::npos) {
      EXPECT_FALSE(step.integer);
      told = std::count(step.notes.begin(), step.notes.end(), "its input has several scales") == 1;
    }
  EXPECT_TRUE(told);
}

// Axes of extent 1, or none, around a matrix of weights change no kernel.
TEST(Program, ProductsWithVectorsAndStacksOfOneAreIntegers) {
  const std::pair<Shape, Shape> cases[] = {{{4, 6}, {6}}, {{6}, {6, 5}}, {{4, 6}, {1, 6, 5}}, {{2, 3, 6}, {1, 1, 6, 5}}, {{6}, {6}}};
  for (const auto& [left, right] : cases) {
    Model model;
    Graph& g = model.graph;
    const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y");
    const Tensor weights = noise(right, 0.3f, 3);
    const Grid grid = tensor_grid(format_named("int8"), 0.01f), in = tensor_grid(format_named("uint8"), 0.02f, 120);
    const ValueId w = g.add_constant("w", weights);
    const NodeId id = g.add_node("MatMul", {x, w}, {y}, "product").id;
    g.inputs = {x}, g.outputs = {y};
    model.quantization.at[{kGraphInput, Side::output, 0}].chain = {in};
    model.quantization.at[{id, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 0.03f, 128)};
    Entry& entry = model.quantization.at[{id, Side::input, 1}];
    entry.chain = {grid}, entry.codes = quantize(weights, grid);
    const auto program = Program::compile(model), simulated = Program::compile(model, {.target = Target::simulated});
    bool integer = false;
    for (const StepInfo& step : program->steps(std::vector<Shape>{left})) integer = integer || step.integer;
    EXPECT_TRUE(integer) << to_string(left) << to_string(right);
    const Tensor data = noise(left, 1, 4);
    bitwright::Run one(program), other(simulated), real(Program::compile(model, {.target = Target::floating}));
    const Tensor codes = one({data})[0].clone();
    EXPECT_TRUE(identical(codes, other({data})[0])) << to_string(left) << to_string(right);
    const Tensor wanted = real({data})[0];
    ASSERT_EQ(codes.shape(), wanted.shape());
    for (size_t i = 0; i < static_cast<size_t>(codes.elements()); ++i)
      EXPECT_NEAR(codes.values<float>()[i], wanted.values<float>()[i], 0.1f);
  }
}

TEST(Program, ThreadsThatAskForPlansGetTheSameOnes) {
  const auto program = integer_program();
  constexpr int kThreads = 4, kBatches = 5;
  std::shared_ptr<const Plan> plans[kThreads][kBatches];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int b = 0; b < kBatches; ++b) {
        const int batch = (b + t) % kBatches;  // each starts at another one
        plans[t][batch] = program->plan(std::vector<Shape>{{batch + 1, 3, 9, 8}});
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (int t = 1; t < kThreads; ++t)
    for (int b = 0; b < kBatches; ++b) EXPECT_EQ(plans[t][b], plans[0][b]);
}

}  // namespace
}  // namespace bitwright
