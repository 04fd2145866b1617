// Attention as one step: near the operators one by one, the same bits everywhere, and left alone where something else looks
// inside.
#include <gtest/gtest.h>

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

template <class T>
Tensor values(std::vector<T> from) {
  return Tensor::of<T>({std::ssize(from)}, from);
}

struct Attention {
  Model model;
  std::vector<Tensor> inputs;
  ValueId probabilities = ValueId::none;

  explicit Attention(bool with_mask = true, bool values_first = true) {
    constexpr int64_t kBatch = 2, kQueries = 9, kKeys = 21, kHeads = 3, kDepth = 8;
    std::mt19937 random(3);
    Graph& g = model.graph;
    const auto input = [&](std::string name, Shape shape) {
      inputs.push_back(noise(shape, 1.5f, random));
      g.inputs.push_back(g.add_value(name, DType::f32));
      return g.inputs.back();
    };
    const auto node = [&](std::string op, std::vector<ValueId> from, std::string name) {
      const ValueId to = g.add_value(name, DType::f32);
      g.add_node(op, from, {to}, name);
      return to;
    };
    const auto heads = [&](ValueId x, int64_t tokens, std::vector<int64_t> perm, std::string name) {
      const ValueId shape = g.add_constant(name + ".shape", values<int64_t>({kBatch, tokens, kHeads, kDepth}));
      const ValueId t = node("Transpose", {node("Reshape", {x, shape}, name + ".heads")}, name + ".t");
      g.nodes.back().attributes["perm"] = perm;
      return t;
    };
    const ValueId q = input("q", {kBatch, kQueries, kHeads * kDepth}), k = input("k", {kBatch, kKeys, kHeads * kDepth});
    const ValueId v = input("v", {kBatch, kKeys, kHeads * kDepth});
    const ValueId qt = heads(q, kQueries, {0, 2, 1, 3}, "qh"), kt = heads(k, kKeys, {0, 2, 3, 1}, "kh");
    ValueId early = ValueId::none;
    if (values_first) early = heads(v, kKeys, {0, 2, 1, 3}, "vh");
    ValueId scores = node("MatMul", {qt, kt}, "scores");
    scores = node("Div", {scores, g.add_constant("root", values<float>({2.8284271f}))}, "scaled");
    if (with_mask) scores = node("Add", {scores, input("mask", {kBatch, 1, 1, kKeys})}, "masked");
    probabilities = node("Softmax", {scores}, "probabilities");
    const ValueId vt = values_first ? early : heads(node("Neg", {v}, "negated"), kKeys, {0, 2, 1, 3}, "vh");
    const ValueId y = node("Transpose", {node("MatMul", {probabilities, vt}, "context")}, "context.t");
    g.nodes.back().attributes["perm"] = std::vector<int64_t>{0, 2, 1, 3};
    g.outputs = {node("Reshape", {y, g.add_constant("merged", values<int64_t>({kBatch, kQueries, kHeads * kDepth}))}, "y")};
  }

  std::vector<StepInfo> steps(CompileOptions options = {}) const {
    std::vector<Shape> shapes;
    for (const Tensor& t : inputs) shapes.push_back(t.shape());
    return Program::compile(model, options)->steps(shapes);
  }
  bool fused(CompileOptions options = {}) const {
    for (const StepInfo& step : steps(options))
      if (step.kernel.starts_with("attention")) return true;
    return false;
  }
  Tensor run(CompileOptions options = {}, int threads = 1) const {
    bitwright::Run run(Program::compile(model, options), {.threads = threads});
    return run(inputs)[0].clone();
  }
};

TEST(AttentionStep, IsNearTheOperatorsOneByOne) {
  for (const bool mask : {true, false}) {
    const Attention a(mask);
    const CompileOptions one_by_one{.taps = {a.probabilities}};
    EXPECT_TRUE(a.fused());
    EXPECT_FALSE(a.fused(one_by_one));
    const Tensor y = a.run(), wanted = a.run(one_by_one);
    ASSERT_EQ(y.shape(), wanted.shape());
    for (size_t i = 0; i < static_cast<size_t>(y.elements()); ++i) EXPECT_NEAR(y.values<float>()[i], wanted.values<float>()[i], 2e-6);
  }
}

TEST(AttentionStep, ReadsAndWritesThroughTransposes) {
  for (const StepInfo& step : Attention().steps()) EXPECT_EQ(step.kernel.find("Transpose"), std::string::npos) << step.name;
}

TEST(AttentionStep, GivesTheSameBitsOnEveryInstructionSetTargetAndNumberOfThreads) {
  const Attention a;
  const Tensor wanted = a.run();
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vbmi})
    for (const int threads : {1, 3})
      for (const Target target : {Target::integer, Target::simulated, Target::floating})
        EXPECT_TRUE(identical(a.run({.target = target, .isa = isa}, threads), wanted)) << name_of(isa) << " " << threads;
}

TEST(AttentionStep, IsLeftAloneWhereSomethingLooksInside) {
  Attention read;
  read.model.graph.outputs.push_back(read.probabilities);
  EXPECT_FALSE(read.fused());
  Attention quantized;
  const Grid grid = tensor_grid(format_named("uint8"), 1.0f / 255, 0);
  quantized.model.quantization.at[{quantized.model.graph.nodes[8].id, Side::output, 0}].chain = {grid};
  EXPECT_TRUE(quantized.model.graph.nodes[8].is("Add") || quantized.model.graph.nodes[8].is("Div"));
  EXPECT_FALSE(quantized.fused());
  EXPECT_TRUE(quantized.fused({.target = Target::floating}));
}

TEST(AttentionStep, SaysWhyItDoesNotFit) {
  Attention late(true, false);
  late.model.quantization.at[{kGraphInput, Side::output, 3}].chain = {tensor_grid(format_named("uint8"), 0.1f, 128)};
  EXPECT_FALSE(late.fused());
  std::string notes;
  for (const StepInfo& step : late.steps())
    for (const std::string& note : step.notes) notes += note + "\n";
  EXPECT_NE(notes.find("attention: an operand is computed after the first product"), std::string::npos) << notes;
}

}  // namespace
}  // namespace bitwright
