// What is measured and run when the data and the network's batch do not divide, and at which shapes a network's cost is taken.
#include <gtest/gtest.h>

#include "api/api.hpp"
#include "api/cost.hpp"
#include "io/data/array_file.hpp"

namespace bitwright {
namespace {

/// x of this shape, times ones [last,2].
Model product_of(Shape shape) {
  Model model;
  Graph& g = model.graph;
  g.symbol("N"), g.symbol("L");
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32);
  g.value(x).has_shape = true;
  Tensor ones(DType::f32, {shape.back(), 2});
  for (float& v : ones.values<float>()) v = 1;
  g.value(x).shape = std::move(shape);
  g.inputs = {x};
  g.add_node("MatMul", {x, g.add_constant("w", ones)}, {y}, "product");
  g.outputs = {y};
  return model;
}

/// Record r of this shape holds r + 1 everywhere.
class Counting : public Dataset {
 public:
  Counting(int64_t n, Shape record) : n_(n), record_(std::move(record)) {}
  int64_t size() const override { return n_; }
  Task task() const override { return Task::none; }
  std::string description() const override { return "counting"; }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = std::ssize(records);
    Shape shape = record_;
    shape.insert(shape.begin(), batch.records);
    Tensor all(DType::f32, shape);
    const auto each = static_cast<size_t>(all.elements() / batch.records);
    for (size_t i = 0; i < records.size(); ++i)
      std::ranges::fill(all.values<float>().subspan(i * each, each), static_cast<float>(records[i] + 1));
    batch.inputs = {all};
    return batch;
  }

 private:
  int64_t n_;
  Shape record_;
};

TEST(Batches, AFixedBatchIsFilledAndTheRepeatsCountNowhere) {
  const Model model = product_of({4, 3});
  const Counting data(10, {3});
  const Batches batches = batches_of(model, data, 10, 32);
  ASSERT_EQ(batches.count, 3);
  const Tensor last = batches.inputs(2)[0];
  EXPECT_EQ(last.shape(), (Shape{4, 3}));
  EXPECT_EQ(last.values<float>()[9], 10) << "the last record again";

  Recipe recipe;
  recipe.rules.quantize_outputs = true;
  for (const SiteRange& range : quantize(model, recipe, data).calibration.ranges)
    EXPECT_EQ(range.values, range.site.side == Side::input ? 0u : range.name == "x" ? 30u : 20u) << range.name;

  const auto program = Program::compile(model, {.target = Target::floating});
  const Metric metric = evaluate(program, data, {.keep_outputs = true});
  EXPECT_EQ(metric.n, 10);
  ASSERT_EQ(metric.outputs[0].shape(), (Shape{10, 2}));
  EXPECT_EQ(metric.outputs[0].values<float>()[19], 30);
}

TEST(Batches, TheReferencesSurplusCountsNowhereEither) {
  const auto fixed = Program::compile(product_of({4, 3}), {.target = Target::floating});
  const Metric metric = evaluate(fixed, Counting(6, {3}), {.reference = fixed});
  EXPECT_EQ(metric.n, 6);
  EXPECT_EQ(metric.max_error, 0);
}

TEST(Cost, IsTakenAtTheDatasShapes) {
  const auto program = Program::compile(product_of({-1, -2, 3}), {.target = Target::floating});
  EXPECT_EQ(cost_of(*program, sample_of(*program)).macs, 1 * 3 * 2);
  EXPECT_EQ(cost_of(*program, sample_of(*program, 1, 7)).macs, 7 * 3 * 2);
  const Cost cost = cost_of(*program, sample_of(*program, Counting(5, {50, 3})));
  EXPECT_EQ(cost.macs, 50 * 3 * 2);
  EXPECT_EQ(cost.bit_operations, 50 * 3 * 2 * 32.0 * 32);
}

TEST(Cost, IsOfOneRecordWhateverTheFixedBatch) {
  const auto program = Program::compile(product_of({4, 3}), {.target = Target::floating});
  const Sample sample = sample_of(*program, Counting(2, {3}));
  EXPECT_EQ(sample.records, 4);
  EXPECT_EQ(cost_of(*program, sample).macs, 3 * 2);
}

Model picked_rows() {
  Model model;
  Graph& g = model.graph;
  const ValueId ids = g.add_value("ids", DType::i64), y = g.add_value("y", DType::f32);
  g.value(ids).has_shape = true, g.value(ids).shape = {3};
  g.inputs = {ids};
  g.add_node("Gather", {g.add_constant("table", Tensor(DType::f32, {1000, 8})), ids}, {y}, "rows");
  g.outputs = {y};
  return model;
}

Model cell() {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32);
  g.value(x).has_shape = true, g.value(x).shape = {1, 1, 8};
  g.inputs = {x};
  const ValueId w = g.add_constant("w", Tensor(DType::f32, {1, 64, 8})), r = g.add_constant("r", Tensor(DType::f32, {1, 64, 16}));
  g.add_node("LSTM", {x, w, r}, {y}, "cell").attributes["hidden_size"] = int64_t{16};
  g.outputs = {y};
  return model;
}

TEST(Cost, BytesAreOfFloatStepsToo) {
  const auto bytes = [](Model model) {
    const auto program = Program::compile(std::move(model), {.target = Target::floating});
    return cost_of(*program, sample_of(*program)).bytes_moved;
  };
  EXPECT_EQ(bytes(cell()), 4 * (8 + 64 * 8 + 64 * 16 + 16));
  EXPECT_EQ(bytes(picked_rows()), 8 + 2 * 4 * 8) << "of each of three records a row, not the table";
}

TEST(Latency, IsOrdered) {
  const auto program = Program::compile(product_of({-1, 3}), {.target = Target::floating});
  const Latency latency = measure_latency(program, sample_of(*program), 1, 0.01);
  EXPECT_LE(latency.least_ms, latency.median_ms);
  EXPECT_LE(latency.median_ms, latency.p99_ms);
  EXPECT_GE(latency.runs, 3);
}

}  // namespace
}  // namespace bitwright
