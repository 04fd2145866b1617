// Images stay codes, channels last, through tables, gates and biases.
#include <gtest/gtest.h>

#include "small.hpp"

namespace bitwright {
namespace {

/// conv -> swish -> times its own mean per channel (squeeze and excite) -> plus a constant per channel.
struct Gated {
  Model model;
  std::mt19937 random{5};

  ValueId node(const std::string& op, std::vector<ValueId> inputs, float range) {
    Graph& g = model.graph;
    const ValueId out = g.add_value(str("v", g.nodes.size()));
    const Node& made = g.add_node(op, std::move(inputs), {out}, str("n", g.nodes.size()));
    model.quantization.at[{made.id, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 2 * range / 255, 128)};
    return out;
  }
  void quantize_constant(size_t input, const Grid& grid) {
    const Node& last = model.graph.nodes.back();
    Entry& entry = model.quantization.at[{last.id, Side::input, static_cast<uint16_t>(input)}];
    entry.chain = {grid};
    entry.codes = quantize(*model.graph.constant(last.inputs[input]), grid);
  }

  explicit Gated(bool with_bias) {
    Graph& g = model.graph;
    const ValueId x = g.add_value("x", DType::f32);
    g.value(x).has_shape = true;
    g.value(x).shape = {g.symbol("N"), 3, 7, 9};
    g.inputs = {x};
    model.quantization.at[{kGraphInput, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 6.0f / 255, 128)};
    const ValueId conv = node("Conv", {x, g.add_constant("w", noise({20, 3, 3, 3}, 0.3f, random))}, 4);
    quantize_constant(1, tensor_grid(format_named("int8"), 1.0f / 127, 0));
    const ValueId swish = node("Swish", {conv}, 4);
    ValueId last = node("Mul", {swish, node("Sigmoid", {node("GlobalAveragePool", {swish}, 2)}, 1)}, 3);
    if (with_bias) {
      last = node("Add", {last, g.add_constant("b", noise({20, 1, 1}, 1, random))}, 4);
      quantize_constant(1, tensor_grid(format_named("uint8"), 4.0f / 255, 128));
    }
    g.outputs = {last};
  }
};

TEST(Binary, TablesAndGatesOfImagesAreOnCodes) {
  const auto program = Program::compile(Gated(true).model);
  const std::vector<Shape> shapes = {{2, 3, 7, 9}};
  for (const StepInfo& step : program->steps(shapes)) EXPECT_EQ(step.kernel.rfind("float", 0), std::string::npos) << step.name << " " << step.kernel;
}

class BinaryOf : public testing::TestWithParam<Profile> {};

TEST_P(BinaryOf, GatesEqualTheSimulation) {
  for (const bool with_bias : {false, true}) {
    Gated gated(with_bias);
    gated.model.quantization.profile = GetParam();
    const Tensor x = noise({3, 3, 7, 9}, 1.5f, gated.random);
    bitwright::Run simulated(Program::compile(gated.model, {.target = Target::simulated}));
    const Tensor wanted = simulated({x})[0].clone();
    for (const int threads : {1, 3}) {
      bitwright::Run run(Program::compile(gated.model), {.threads = threads});
      const Tensor got = run({x})[0].clone();
      ASSERT_EQ(got.shape(), wanted.shape());
      int64_t differ = 0;
      for (int64_t i = 0; i < got.elements(); ++i)
        differ += got.values<float>()[static_cast<size_t>(i)] != wanted.values<float>()[static_cast<size_t>(i)];
      EXPECT_EQ(differ, 0) << "of " << got.elements() << (with_bias ? " with bias" : "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Profiles, BinaryOf, testing::Values(Profile::ort, Profile::real, Profile::tflite));

}  // namespace
}  // namespace bitwright
