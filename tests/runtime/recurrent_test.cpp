// Recurrent cells with int8 weights: the same bits on every instruction set, near the float cell with decoded weights.
#include <gtest/gtest.h>

#include <cmath>

#include "allocations.hpp"
#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

Model cell(const std::string& op, int64_t gates, const std::string& direction) {
  constexpr int64_t kHidden = 37, kInputs = 23;
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y");
  const ValueId w = g.add_constant("w", noise({directions, gates * kHidden, kInputs}, 0.2f, 1));
  const ValueId r = g.add_constant("r", noise({directions, gates * kHidden, kHidden}, 0.15f, 2));
  const ValueId b = g.add_constant("b", noise({directions, 2 * gates * kHidden}, 0.1f, 3));
  Node& node = g.add_node(op, {x, w, r, b}, {y}, "cell");
  node.attributes["hidden_size"] = kHidden;
  node.attributes["direction"] = direction;
  g.inputs = {x}, g.outputs = {y};
  for (const uint16_t input : {uint16_t{1}, uint16_t{2}}) {
    const Tensor& weights = *g.constant(node.inputs[input]);
    float most = 0;
    for (const float v : weights.values<float>()) most = std::max(most, std::abs(v));
    Entry& entry = model.quantization.at[{node.id, Side::input, input}];
    entry.chain = {tensor_grid(format_named("int8"), most / 127)};
    entry.codes = quantize(weights, entry.chain[0]);
  }
  model.quantization.at[{node.id, Side::input, 0}].when = When::at_run;
  return model;
}

class Cell : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(Cell, IntegerWeightsStayNearFloatAndAreTheSameEverywhere) {
  const std::string op = std::get<0>(GetParam());
  const Model model = cell(op, op == "LSTM" ? 4 : op == "GRU" ? 3 : 1, std::get<1>(GetParam()));
  const Tensor x = noise({9, 3, 23}, 1, 5);
  auto run = [&](Target target, Isa isa, int threads) {
    bitwright::Run runner(Program::compile(model, {.target = target, .isa = isa}), {.threads = threads});
    return runner({x})[0].clone();
  };
  const Tensor expected = run(Target::floating, isa_cap(), 1), y = run(Target::integer, Isa::ref, 1);
  double signal = 0, error = 0;
  for (size_t i = 0; i < static_cast<size_t>(y.elements()); ++i) {
    signal += std::pow(expected.values<float>()[i], 2);
    error += std::pow(expected.values<float>()[i] - y.values<float>()[i], 2);
  }
  EXPECT_GT(10 * std::log10(signal / error), 30);
  for (const Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi})
    for (const int threads : {1, 3}) EXPECT_TRUE(identical(y, run(Target::integer, isa, threads))) << name_of(isa);
}

TEST(Cell, AnLstmAllocatesNothing) {
  bitwright::Run run(Program::compile(cell("LSTM", 4, "bidirectional")), {.threads = 2});
  const Tensor inputs[] = {noise({9, 3, 23}, 1, 5)};
  run(inputs);  // makes the plan
  const int64_t before = allocations();
  run(inputs);
  EXPECT_EQ(allocations() - before, 0);
}

// With other activations the catalogue's cell runs on the same products: sigmoid and tangent of libm are near ours.
TEST(Cell, TheStepOfItsOwnIsNearTheCatalogues) {
  Model model = cell("LSTM", 4, "reverse");
  const Tensor x = noise({9, 3, 23}, 1, 5);
  auto run = [&] {
    bitwright::Run runner(Program::compile(model));
    return runner({x})[0].clone();
  };
  const Tensor ours = run();
  model.graph.nodes[0].attributes["activations"] = std::vector<std::string>{"Sigmoid", "ScaledTanh", "Tanh"};  // 1 tanh(1 x)
  const Tensor catalogue = run();
  EXPECT_FALSE(identical(ours, catalogue));
  for (size_t i = 0; i < static_cast<size_t>(ours.elements()); ++i) ASSERT_NEAR(ours.values<float>()[i], catalogue.values<float>()[i], 0.02);
}

// Layouts that spell the same scales multiply the same; one per direction and row is a block along the inputs.
TEST(Cell, ScalesPerDirectionAndRow) {
  Model model = cell("LSTM", 4, "bidirectional");
  const Tensor x = noise({9, 3, 23}, 1, 5);
  auto run = [&] {
    const auto program = Program::compile(model);
    EXPECT_EQ(program->steps(program->default_shapes(3)).at(0).kernel, "dynamic int8 LSTM");
    bitwright::Run runner(program);
    return runner({x})[0].clone();
  };
  model.graph.value(model.graph.inputs[0]).has_shape = true;
  model.graph.value(model.graph.inputs[0]).shape = {9, 3, 23};
  const Tensor whole = run();
  for (const uint16_t input : {uint16_t{1}, uint16_t{2}}) {
    Entry& entry = *model.quantization.find({model.graph.nodes[0].id, Side::input, input});
    Grid& grid = entry.chain[0];
    const float scale = grid.scale.values<float>()[0];
    grid.layout = {Layout::block, 2, entry.codes.dim(2)};
    grid.scale = Tensor(DType::f32, {2, entry.codes.dim(1), 1});
    std::ranges::fill(grid.scale.values<float>(), scale);
    grid.zero = Tensor();
  }
  EXPECT_TRUE(identical(whole, run()));
  // Half the scale of one row of the second direction changes that direction alone.
  model.quantization.find({model.graph.nodes[0].id, Side::input, 1})->chain[0].scale.values<float>()[4 * 37 + 5] *= 0.5f;
  const Tensor changed = run();
  bool first = false, second = false;
  for (int64_t t = 0; t < 9; ++t)  // [steps, directions, batch, hidden]
    for (int64_t i = 0; i < 2 * 3 * 37; ++i) {
      const auto at = static_cast<size_t>(t * 2 * 3 * 37 + i);
      (i < 3 * 37 ? first : second) |= whole.values<float>()[at] != changed.values<float>()[at];
    }
  EXPECT_FALSE(first);
  EXPECT_TRUE(second);
}

// Per row: what one step of one sequence holds does not change how the others are rounded.
TEST_P(Cell, ARangeForEachStepOfEachSequence) {
  const std::string op = std::get<0>(GetParam());
  Model model = cell(op, op == "LSTM" ? 4 : op == "GRU" ? 3 : 1, std::get<1>(GetParam()));
  const NodeId node = model.graph.nodes[0].id;
  Tensor x = noise({9, 3, 23}, 1, 5);
  auto run = [&](bool per_row, Isa isa, const Tensor& data) {
    model.quantization.find({node, Side::input, 0})->per_row = per_row;
    bitwright::Run runner(Program::compile(model, {.isa = isa}), {.threads = 2});
    return runner({data})[0].clone();
  };
  const Tensor tensor = run(false, isa_cap(), x), before = run(true, isa_cap(), x);
  EXPECT_FALSE(identical(tensor, before));
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi}) EXPECT_TRUE(identical(before, run(true, isa, x))) << name_of(isa);
  for (int64_t t = 0; t < 9; ++t)
    for (int64_t i = 0; i < 23; ++i) x.values<float>()[static_cast<size_t>((t * 3 + 1) * 23 + i)] *= 100;  // sequence 1
  const Tensor after = run(true, isa_cap(), x);
  const int64_t hidden = 37, rows = before.elements() / hidden;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < hidden && r % 3 != 1; ++i)
      ASSERT_EQ(before.values<float>()[static_cast<size_t>(r * hidden + i)], after.values<float>()[static_cast<size_t>(r * hidden + i)]) << r;
}

INSTANTIATE_TEST_SUITE_P(All, Cell,
                         testing::Combine(testing::Values("LSTM", "GRU", "RNN"),
                                          testing::Values("forward", "bidirectional")));

}  // namespace
}  // namespace bitwright
