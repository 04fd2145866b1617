// Several products of one dynamically quantized input with what follows them, as one step: the same bits as every operator on
// its own.
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

constexpr int64_t kWidth = 72;

struct Block {
  Model model;
  std::vector<ValueId> between;  // values inside the fused steps
  std::mt19937 random{21};
  bool per_row;

  ValueId node(std::string op, std::vector<ValueId> from, std::string name) {
    const ValueId to = model.graph.add_value(name, DType::f32);
    model.graph.add_node(op, from, {to}, name);
    return to;
  }
  ValueId constant(std::string name, Shape shape) { return model.graph.add_constant(name, noise(shape, 0.7f, random)); }
  ValueId product(ValueId x, int64_t k, int64_t n, std::string name) {
    const Tensor w = noise({k, n}, 0.3f, random);
    const Grid grid = channel_grid(format_named("int8"), 1, std::vector<float>(static_cast<size_t>(n), 0.008f));
    const ValueId y = node("MatMul", {x, model.graph.add_constant(name + ".w", w)}, name);
    const NodeId id = model.graph.nodes.back().id;
    Entry& weights = model.quantization.at[{id, Side::input, 1}];
    weights.chain = {grid}, weights.codes = quantize(w, grid);
    Entry& activations = model.quantization.at[{id, Side::input, 0}];
    activations.when = When::at_run, activations.per_row = per_row;
    const ValueId biased = node("Add", {y, constant(name + ".b", {n})}, name + ".biased");
    between.push_back(y), between.push_back(biased);
    return biased;
  }
  ValueId norm(ValueId x, std::string name) {
    return node("LayerNormalization", {x, constant(name + ".scale", {kWidth}), constant(name + ".bias", {kWidth})}, name);
  }

  explicit Block(bool rows) : per_row(rows) {
    Graph& g = model.graph;
    const ValueId x = g.add_value("x", DType::f32);
    g.inputs = {x};
    const ValueId first = norm(x, "first");
    const ValueId q = product(first, kWidth, 100, "q"), k = product(first, kWidth, 33, "k");
    const ValueId gated = node("Sigmoid", {k}, "gate");
    const ValueId hidden = node("Gelu", {product(first, kWidth, 130, "hidden")}, "gelu");
    between.pop_back();
    between.push_back(g.nodes.back().inputs[0]);
    const ValueId sum = node("Add", {first, product(hidden, 130, kWidth, "output")}, "sum");
    between.push_back(sum);
    const ValueId normed = norm(sum, "normed");
    const ValueId last = node("Add", {product(normed, kWidth, kWidth, "last"), normed}, "last.sum");
    g.outputs = {q, gated, normed, last};
  }

  std::vector<Tensor> run(const Tensor& x, CompileOptions options, int threads) const {
    bitwright::Run run(Program::compile(model, options), {.threads = threads});
    std::vector<Tensor> y;
    for (const Tensor& t : run({x})) y.push_back(t.clone());
    return y;
  }
  int64_t integer_steps(const Tensor& x, CompileOptions options) const {
    int64_t count = 0;
    for (const StepInfo& step : Program::compile(model, options)->steps(std::vector<Shape>{x.shape()})) count += step.integer && step.macs > 0;
    return count;
  }
};

TEST(DynamicProducts, AreOneStepWithTheBitsOfTheOperators) {
  std::mt19937 random(4);
  for (const bool per_row : {false, true}) {
    const Block block(per_row);
    for (const int64_t tokens : {1, 5, 150}) {
      const Tensor x = noise({1, tokens, kWidth}, 1.0f, random);
      const CompileOptions one_by_one{.taps = block.between};
      EXPECT_EQ(block.integer_steps(x, {}), 3);
      const auto wanted = block.run(x, one_by_one, 1);
      for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512, Isa::avx512vbmi})
        for (const int threads : {1, 2, 3}) {
          const auto y = block.run(x, {.isa = isa}, threads);
          for (size_t i = 0; i < y.size(); ++i)
            EXPECT_TRUE(identical(y[i], wanted[i])) << "output " << i << " tokens " << tokens << " " << name_of(isa) << " threads " << threads;
        }
      const auto simulated = block.run(x, {.target = Target::simulated}, 2);
      for (size_t i = 0; i < simulated.size(); ++i) EXPECT_TRUE(identical(simulated[i], wanted[i])) << "output " << i;
    }
  }
}

TEST(DynamicProducts, RunsAllocateNothing) {
  std::mt19937 random(4);
  for (const int64_t tokens : {3, 150}) {
    const Block block(false);
    bitwright::Run run(Program::compile(block.model), {.threads = 2});
    const Tensor inputs[] = {noise({1, tokens, kWidth}, 1.0f, random)};
    run(inputs);  // makes the plan
    const int64_t before = allocations();
    run(inputs);
    EXPECT_EQ(allocations() - before, 0);
  }
}

TEST(DynamicProducts, NaNAndInfinityDoNotSpreadThroughTheRange) {
  const Block block(false);
  std::mt19937 random(4);
  Tensor x = noise({1, 60, kWidth}, 1.0f, random);
  x.values<float>()[100] = NAN;
  const auto fused = block.run(x, {}, 2), one_by_one = block.run(x, {.taps = block.between}, 1);
  const auto same = [](float a, float b) { return a == b || (a != a && b != b); };
  for (size_t i = 0; i < fused.size(); ++i)
    for (size_t j = 0; j < static_cast<size_t>(fused[i].elements()); ++j)
      ASSERT_TRUE(same(fused[i].values<float>()[j], one_by_one[i].values<float>()[j])) << i << " " << j;
}

}  // namespace
}  // namespace bitwright
