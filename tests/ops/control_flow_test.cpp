#include "helpers.hpp"

namespace bitwright {
namespace {

// y = x + x, as the body of whoever runs it.
TEST(ControlFlow, IfTakesABranchAndReadsOutside) {
  Graph graph;
  const ValueId condition = graph.add_value("c"), x = graph.add_value("x"), y = graph.add_value("y");
  graph.inputs = {condition, x};
  graph.outputs = {y};
  Node& node = graph.add_node("If", {condition}, {y});
  for (const char* branch : {"then_branch", "else_branch"}) {
    auto nested = std::make_shared<Graph>(graph, nullptr);
    const ValueId out = nested->add_value("out");
    nested->add_node(branch[0] == 't' ? "Neg" : "Identity", {x}, {out});
    nested->outputs = {out};
    node.attributes[branch] = nested;
  }
  for (const bool taken : {true, false}) {
    const Tensor inputs[] = {Tensor::scalar(taken), floats({1}, {3})};
    expect_near(interpret(graph, inputs)[0], {taken ? -3.0f : 3.0f});
  }
}

Graph doubling_loop() {
  Graph graph;
  const ValueId count = graph.add_value("n"), x = graph.add_value("x"), last = graph.add_value("last"), all = graph.add_value("all");
  graph.inputs = {count, x};
  graph.outputs = {last, all};
  auto body = std::make_shared<Graph>(graph, nullptr);
  const ValueId step = body->add_value("i", DType::i64), going = body->add_value("going", DType::boolean);
  const ValueId carried = body->add_value("v"), doubled = body->add_value("w", DType::f32);
  body->inputs = {step, going, carried};
  body->add_node("Add", {carried, carried}, {doubled});
  body->outputs = {going, doubled, doubled};
  graph.add_node("Loop", {count, ValueId::none, x}, {last, all}).attributes["body"] = body;
  return graph;
}

TEST(ControlFlow, LoopCarriesAndCollects) {
  const Graph graph = doubling_loop();
  const Tensor three[] = {Tensor::scalar<int64_t>(3), floats({}, {1})};
  const auto y = interpret(graph, three);
  expect_near(y[0], {8});
  expect_near(y[1], {2, 4, 8});
  const Tensor none[] = {Tensor::scalar<int64_t>(0), floats({}, {1})};
  EXPECT_EQ(interpret(graph, none)[1].shape(), Shape{0});
}

TEST(ControlFlow, ShapesAreNotKnownBeforehand) {
  const Graph graph = doubling_loop();
  std::vector<Tensor> out;
  EXPECT_FALSE(infer_outputs(graph.nodes[0], std::vector<Tensor>{Tensor::scalar<int64_t>(3), Tensor(), floats({}, {1})}, out));
}

TEST(Dropout, PassesItsInputOutsideTraining) {
  const Tensor x = counting({3});
  const auto y = run_op("Dropout", {x, floats({}, {0.9f})}, {}, 2);
  EXPECT_TRUE(identical(y[0], x));
  EXPECT_EQ(list<bool>(y[1]), (std::vector<bool>{true, true, true}));
}

TEST(Dropout, TrainingDropsTheShareAskedFor) {
  const Tensor x = Tensor::of<float>({20000}, std::vector<float>(20000, 1.0f));
  const auto y = run_op("Dropout", {x, floats({}, {0.25f}), Tensor::scalar(true)}, {{"seed", 1.0f}}, 2);
  double kept = 0;
  for (const float v : y[0].values<float>()) {
    EXPECT_TRUE(v == 0 || std::abs(v - 4.0f / 3) < 1e-6f);
    kept += v != 0;
  }
  EXPECT_NEAR(kept / 20000, 0.75, 0.02);
}

TEST(Strings, ConcatSplitNormalize) {
  const Tensor x = Tensor::of_strings({2}, {"a b", " c"});
  EXPECT_EQ(run_op("StringConcat", {x, Tensor::of_strings({}, {"!"})})[0].strings()[1], " c!");
  const auto parts = run_op("StringSplit", {x}, {}, 2);
  EXPECT_EQ(parts[0].shape(), (Shape{2, 2}));
  EXPECT_EQ(list<int64_t>(parts[1]), (Ints{2, 1}));
  const Tensor up = run_op("StringNormalizer", {Tensor::of_strings({2}, {"Monday", "the"})},
                           {{"case_change_action", std::string("UPPER")}, {"stopwords", std::vector<std::string>{"The"}}})[0];
  ASSERT_EQ(up.elements(), 1);
  EXPECT_EQ(up.strings()[0], "MONDAY");
}

}  // namespace
}  // namespace bitwright
