// Networks with state through the verbs: calibration and evaluation walk along the sequence, files carry the pairs.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "api/api.hpp"
#include "graph/state.hpp"
#include "graph/text.hpp"

namespace bitwright {
namespace {

// s' = s + x, y = W s'
Model sum_model() {
  return parse_model(R"(graph "sum" {
    input state: f32[1,2]
    input x: f32[1,2]
    const w: f32[2,2] = {1, 0.5, -0.25, 1}
    stateN: f32[1,2] = Add(state, x)
    y: f32[1,2] = MatMul(stateN, w) @"product"
    output y
    output stateN
  })");
}

// Ones; three sequences of four steps.
class Steps : public Dataset {
 public:
  int64_t size() const override { return 12; }
  Task task() const override { return Task::none; }
  bool begins_sequence(int64_t record) const override { return record % 4 == 0; }
  std::string description() const override { return "steps"; }
  Batch read(std::span<const int64_t> records) const override {
    EXPECT_EQ(records.size(), 1u);
    return {.records = 1, .inputs = {Tensor::of<float>({2}, std::vector<float>{1, 1})}};
  }
};

TEST(StateApi, EvaluationStartsEverySequenceAnew) {
  Model model = sum_model();
  ASSERT_EQ(find_state(model.graph), 1u);
  const auto program = Program::compile(model);
  for (const int threads : {1, 3}) {
    const Metric metric = evaluate(program, Steps(), {.threads = threads, .keep_outputs = true});
    ASSERT_EQ(metric.outputs.size(), 1u);
    ASSERT_EQ(metric.outputs[0].shape(), (Shape{12, 2}));
    for (size_t i = 0; i < 12; ++i) EXPECT_EQ(metric.outputs[0].values<float>()[2 * i + 1], 1.5f * static_cast<float>(i % 4 + 1));
  }
}

TEST(StateApi, CalibrationSeesWhatStepsSee) {
  Model model = sum_model();
  const std::vector<std::string> pairs = {"state=stateN"};
  Recipe recipe;
  recipe.state = pairs;
  const Steps data;
  for (const int threads : {1, 3}) {
    const Quantized q = quantize(model, recipe, &data, nullptr, threads);
    ASSERT_EQ(q.calibration.ranges.size(), 2u);
    for (const SiteRange& range : q.calibration.ranges) {
      if (range.site.side != Side::output) continue;
      EXPECT_EQ(range.seen_max, 4.0f) << range.name;  // without state: 1
    }
  }
}

TEST(StateApi, ReferenceJudgesDataWithoutTruth) {
  Model model = sum_model();
  find_state(model.graph);
  const Steps data;
  const Quantized q = quantize(model, Recipe(), data);
  const auto before = Program::compile(model), after = Program::compile(q.model);
  const Metric same = evaluate(before, data, {.reference = before}), other = evaluate(after, data, {.reference = before});
  EXPECT_EQ(same.task, Task::compare);
  EXPECT_EQ(same.n, 12);
  EXPECT_TRUE(std::isinf(same.snr_db));
  EXPECT_GT(other.snr_db, 30);
  EXPECT_LT(other.snr_db, 100);
  EXPECT_THROW(evaluate(before, data), Error);
}

TEST(StateApi, FilesCarryThePairs) {
  Model model = sum_model();
  model.graph.value(model.graph.inputs[0]).name = "a";  // names that show nothing
  declare_state(model.graph, std::vector<std::string>{"a=stateN"});
  const std::string path = (std::filesystem::temp_directory_path() / "bitwright_state_test.onnx").string();
  save(quantize(model, Recipe(), Steps()), path);
  const Model again = load(path);
  EXPECT_EQ(describe_state(again.graph), std::vector<std::string>{"input 'a' takes output 'stateN' of the step before"});
  for (const auto& [key, value] : again.info.metadata) EXPECT_EQ(key.find("state"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(StateApi, FilesCarryThatThereIsNone) {
  Model model = sum_model();  // names that show a pair, which nobody declared
  const std::string path = (std::filesystem::temp_directory_path() / "bitwright_state_test.onnx").string();
  for (int generation = 0; generation < 2; ++generation) {
    save(model, path);
    model = load(path);
    EXPECT_TRUE(model.graph.state.empty());
    EXPECT_EQ(model.info.metadata.count("bitwright.state"), 0u);
  }
  EXPECT_EQ(find_state(model.graph), 1u);
  save(model, path);
  EXPECT_EQ(load(path).graph.state.size(), 1u);
  std::filesystem::remove(path);
}

TEST(StateApi, WhatIsMissingIsNamedWithAHint) {
  const auto program = Program::compile(sum_model());
  try {
    evaluate(program, Steps(), {.keep_outputs = true});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "the data (steps) give nothing for the network's input 'x'; if it is state: --state x=y or stateN");
  }
}

}  // namespace
}  // namespace bitwright
