// One layer followed number by number: its bias, whoever made its codes, is part of the sum and of the bound on it.
#include "api/dataflow.hpp"

#include <gtest/gtest.h>

namespace bitwright {
namespace {

/// y[N,2] = x[N,3] * w + b on grids of scale 1, 0.5 and 1; x is {1, 2, 3}.
struct Layer {
  Model model;
  NodeId gemm;

  Layer() {
    Graph& g = model.graph;
    const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y");
    const Tensor codes = Tensor::of<int8_t>({3, 2}, std::vector<int8_t>{1, -1, 2, 0, 3, 100});
    const Grid grid = tensor_grid(format_named("int8"), 0.5f);
    const ValueId w = g.add_constant("w", dequantize(codes, grid)), b = g.add_constant("b", Tensor::of<float>({2}, std::vector{7.0f, -20.0f}));
    gemm = g.add_node("Gemm", {x, w, b}, {y}, "gemm").id;
    g.inputs = {x}, g.outputs = {y};
    auto& at = model.quantization.at;
    at[{kGraphInput, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 1.0f)};
    at[{gemm, Side::input, 1}] = {When::statically, false, {grid}, codes, 0};
    at[{gemm, Side::output, 0}].chain = {tensor_grid(format_named("int8"), 1.0f)};
  }
  Dataflow follow() const {
    return layer_dataflow(model, "gemm", {1, [](int64_t) { return std::vector<Tensor>{Tensor::of<float>({1, 3}, std::vector{1.0f, 2.0f, 3.0f})}; }});
  }
};

TEST(Dataflow, ADerivedBiasWithoutCodesIsPartOfTheSum) {
  Layer layer;
  layer.model.quantization.at[{layer.gemm, Side::input, 2}].when = When::derived;
  const Dataflow flow = layer.follow();
  EXPECT_TRUE(flow.has_bias);
  EXPECT_EQ(flow.bias_codes.lo, -40);
  EXPECT_EQ(flow.bias_codes.hi, 14);
  EXPECT_EQ(flow.sum.lo, 1 + 4 + 9 + 14);
  EXPECT_EQ(flow.sum.hi, -1 + 300 - 40);
  EXPECT_EQ(flow.reachable.lo, -255 - 40);
  EXPECT_EQ(flow.reachable.hi, 100 * 255 - 40);
}

TEST(Dataflow, LayersThatTheEngineComputesInFloatAreNone) {
  Layer float_bias, scaled;
  EXPECT_EQ(dataflow_layers(float_bias.model), std::vector<std::string>());
  scaled.model.quantization.at[{scaled.gemm, Side::input, 2}].when = When::derived;
  scaled.model.graph.find_node(scaled.gemm)->attributes["alpha"] = 0.5f;
  EXPECT_EQ(dataflow_layers(scaled.model), std::vector<std::string>());
}

}  // namespace
}  // namespace bitwright
