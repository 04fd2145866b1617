// Rows of a quantized embedding: codes are gathered, only the rows that were asked for become floats.
#include <gtest/gtest.h>

#include "allocations.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

Model embedding(const Grid& grid, const Tensor& codes) {
  Model model;
  Graph& g = model.graph;
  const ValueId index = g.add_value("i", DType::i64), y = g.add_value("y");
  g.value(index).has_shape = true, g.value(index).shape = {3};
  Node& node = g.add_node("Gather", {g.add_constant("w", dequantize(codes, grid)), index}, {y}, "rows");
  g.inputs = {index}, g.outputs = {y};
  model.quantization.at[{node.id, Side::input, 0}] = {When::statically, false, {grid}, codes, 0};
  return model;
}

TEST(Embedding, RowsAreGatheredAsCodes) {
  const Tensor i8 = Tensor::of<int8_t>({3, 2}, std::vector<int8_t>{-128, 1, 2, 3, 4, 127});
  const Tensor u8 = Tensor::of<uint8_t>({3, 2}, std::vector<uint8_t>{0, 1, 2, 3, 4, 255});
  const Tensor index = Tensor::of<int64_t>({3}, std::vector<int64_t>{2, 0, -1});
  for (const auto& [grid, codes] : {std::pair(tensor_grid(format_named("int8"), 0.1f, 5), i8), std::pair(tensor_grid(format_named("uint8"), 0.3f, 7), u8)}) {
    const Model model = embedding(grid, codes);
    const auto program = Program::compile(model);
    EXPECT_EQ(program->steps(program->default_shapes())[0].kernel, "Gather of codes");
    bitwright::Run run(program), plain(Program::compile(model, {.target = Target::floating}));
    EXPECT_TRUE(identical(run({index})[0], plain({index})[0]));
    EXPECT_THROW(run({Tensor::of<int64_t>({3}, std::vector<int64_t>{2, 0, 3})}), Error);
  }
}

TEST(Embedding, OtherLayoutsAreDecodedFirst) {
  const Tensor codes = Tensor::of<int8_t>({3, 2}, std::vector<int8_t>{-128, 1, 2, 3, 4, 127});
  const std::vector<float> scales = {0.1f, 0.2f, 0.3f};
  const auto program = Program::compile(embedding(channel_grid(format_named("int8"), 0, scales), codes));
  bitwright::Run run(program);
  const Tensor y = run({Tensor::of<int64_t>({3}, std::vector<int64_t>{1, 1, 0})})[0];
  EXPECT_EQ(y.values<float>()[0], 2 * 0.2f);
  EXPECT_EQ(y.values<float>()[4], -128 * 0.1f);
}

// A product of codes behind it reads them as they were gathered.
TEST(Embedding, RowsOnTheTablesOwnGridStayCodes) {
  const Grid grid = tensor_grid(format_named("uint8"), 0.3f, 7);
  Model model = embedding(grid, Tensor::of<uint8_t>({3, 2}, std::vector<uint8_t>{0, 1, 2, 3, 4, 255}));
  model.quantization.at[{model.graph.nodes[0].id, Side::output, 0}].chain = {grid};
  const auto program = Program::compile(model);
  const auto steps = program->steps(program->default_shapes());
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[1].kernel, "dequantize");
  bitwright::Run run(program), simulated(Program::compile(model, {.target = Target::simulated}));
  const Tensor index = Tensor::of<int64_t>({3}, std::vector<int64_t>{2, 0, -1});
  EXPECT_TRUE(identical(run({index})[0], simulated({index})[0]));
}

TEST(Embedding, PlansShareTheTable) {
  Model model = embedding(tensor_grid(format_named("int8"), 0.1f, 5), Tensor(DType::i8, {50000, 2}));
  Value& index = model.graph.value(model.graph.inputs[0]);
  index.shape = {model.graph.symbol("length")};
  const auto program = Program::compile(std::move(model));
  program->plan(std::vector<Shape>{{3}});
  const int64_t before = allocated_bytes();
  program->plan(std::vector<Shape>{{4}});
  EXPECT_LT(allocated_bytes() - before, 50000);
}

}  // namespace
}  // namespace bitwright
