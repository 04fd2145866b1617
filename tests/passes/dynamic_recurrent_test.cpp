// LSTM with run-time codes <=> ONNX Runtime's DynamicQuantizeLSTM; GRU and RNN have no such form.
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "noise.hpp"
#include "passes/fold.hpp"

namespace bitwright {
namespace {

constexpr int64_t kHidden = 3, kInputs = 5;

// Scales 1/64, 2/64, ... of the shape that the layout asks for.
Grid grid_with(Layout layout, Shape shape) {
  const Format& int8 = format_named("int8");
  Grid grid{&int8, -127, 127, layout, Tensor(DType::f32, std::move(shape)), {}, {}};
  float next = 0;
  for (float& s : grid.scale.values<float>()) s = (next += 1) / 64;
  return grid;
}

Model cell(const std::string& op, int64_t gates, int64_t directions, const std::function<Grid(int64_t k)>& grid_of) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32), h = g.add_value("h", DType::f32);
  std::vector<ValueId> inputs = {x};
  for (const int64_t k : {kInputs, kHidden}) inputs.push_back(g.add_constant(str("w", k), noise({directions, gates * kHidden, k}, 1, 1)));
  inputs.push_back(g.add_constant("b", noise({directions, 2 * gates * kHidden}, 1, 2)));
  Node& node = g.add_node(op, inputs, {y, h}, "cell");
  node.attributes["hidden_size"] = kHidden;
  if (directions == 2) node.attributes["direction"] = "bidirectional";
  g.inputs = {x}, g.outputs = {y, h};
  for (const uint16_t i : {uint16_t{1}, uint16_t{2}}) {
    Entry& entry = model.quantization.at[{node.id, Side::input, i}];
    entry.chain = {grid_of(i == 1 ? kInputs : kHidden)};
    entry.codes = quantize(*g.constant(node.inputs[i]), entry.chain[0]);
    g.value(node.inputs[i]).constant = dequantize(entry.codes, entry.chain[0]);
  }
  const Format& uint8 = format_named("uint8");
  Entry at_run{When::at_run, false, {Grid{&uint8, 0, 255, {}, {}, {}, {}}}, {}, 0};
  model.quantization.at[{node.id, Side::input, 0}] = at_run;
  model.quantization.at[{node.id, Side::inner, 0}] = at_run;
  return model;
}

// The table alone: names of constants are the writer's business.
std::string table(const Model& model) {
  const std::string text = print(model, {.inline_elements = 1000});
  return text.substr(text.find("\nat "));
}

const Node& only_node(const Model& model) {
  EXPECT_EQ(model.graph.nodes.size(), 1u);
  return model.graph.nodes[0];
}

TEST(DynamicLstm, GoesToOnnxRuntimesOperatorAndBack) {
  const std::vector<std::pair<int64_t, std::function<Grid(int64_t)>>> cases = {
      {1, [](int64_t) { return grid_with({}, {}); }},
      {2, [](int64_t) { return grid_with({}, {}); }},
      {1, [](int64_t) { return grid_with({Layout::channel, 1, 0}, {4 * kHidden}); }},
      {2, [](int64_t) { return grid_with({Layout::channel, 1, 0}, {4 * kHidden}); }},
      {2, [](int64_t) { return grid_with({Layout::channel, 0, 0}, {2}); }},
      {2, [](int64_t k) { return grid_with({Layout::block, 2, k}, {2, 4 * kHidden, 1}); }}};
  for (const auto& [directions, grid] : cases) {
    const Model model = cell("LSTM", 4, directions, grid);
    const Model written = materialise(model);
    const Node& node = only_node(written);
    EXPECT_EQ(node.domain + "." + node.op, "com.microsoft.DynamicQuantizeLSTM");
    EXPECT_EQ(written.graph.constant(node.input(1))->shape(), (Shape{directions, kInputs, 4 * kHidden}));
    EXPECT_EQ(written.graph.constant(node.input(8))->dim(0), directions);
    EXPECT_EQ(node.inputs.size(), 12u);
    const Model again = fold(written);
    EXPECT_EQ(only_node(again).op, "LSTM");
    EXPECT_EQ(table(again), table(model));
    EXPECT_TRUE(again.info.metadata.empty());
    EXPECT_TRUE(written.info.notes.empty());
  }
}

TEST(DynamicLstm, OthersAreWrittenAsQuantizedInputsAndSayWhatIsLost) {
  for (const auto& [op, gates] : {std::pair<const char*, int64_t>{"GRU", 3}, {"RNN", 1}}) {
    const auto columns = gates * kHidden;
    const Model model = cell(op, gates, 1, [&](int64_t) { return grid_with({Layout::channel, 1, 0}, {columns}); });
    const Model written = materialise(model);
    ASSERT_EQ(written.info.notes.size(), 1u);
    EXPECT_EQ(written.info.notes[0], str("node 'cell' (", op, "): that its hidden state is quantized at run time has no ONNX form: "
                                         "other runtimes compute it in float"));
    EXPECT_EQ(table(fold(written)), table(model));
  }
}

TEST(DynamicLstm, WithWeightsThatAreComputedStays) {
  Model written = materialise(cell("LSTM", 4, 1, [](int64_t) { return grid_with({}, {}); }));
  written.graph.inputs.push_back(written.graph.nodes[0].inputs[1]);
  written.graph.value(written.graph.nodes[0].inputs[1]).constant = Tensor();
  FoldReport report;
  EXPECT_EQ(only_node(fold(written, &report)).op, "DynamicQuantizeLSTM");
  EXPECT_EQ(report.kept, std::vector<std::string>{"node 'cell' (com.microsoft.DynamicQuantizeLSTM): its weights are not constant"});
}

}  // namespace
}  // namespace bitwright
