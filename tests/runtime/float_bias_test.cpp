// A bias that is no multiple of input scale times weight scale, as other tools leave it: sums stay integers, the bias is added
// to them as floats, and what follows is quantized.
#include <gtest/gtest.h>

#include "small.hpp"

namespace bitwright {
namespace {

/// Biases lose their entries, or (`counted`) count in steps of their own.
Small with_float_biases(std::string_view format, bool counted) {
  Small small(format);
  for (const Node& node : small.model.graph.nodes) {
    if (!node.is("Conv") && !node.is("Gemm")) continue;
    small.model.quantization.at.erase({node.id, Side::input, 2});
    if (!counted) continue;
    Entry& entry = small.model.quantization.at[{node.id, Side::input, 2}];
    entry.chain = {tensor_grid(format_named("int8"), 0.02f)};
    entry.codes = quantize(*small.model.graph.constant(node.inputs[2]), entry.chain[0]);
  }
  return small;
}

class FloatBias : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(FloatBias, KeepsTheProductsInIntegers) {
  Small small = with_float_biases(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto program = Program::compile(small.model);
  size_t products = 0;
  for (const StepInfo& step : program->steps(std::vector<Shape>{{2, 3, 9, 8}})) {
    if (step.macs == 0) continue;
    ++products;
    EXPECT_TRUE(step.integer) << step.name << ": " << step.kernel;
  }
  EXPECT_EQ(products, 4u);
}

TEST_P(FloatBias, IsTheSameNumberInAllTargets) {
  Small small = with_float_biases(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const Tensor x = small.noise({3, 3, 9, 8}, 1);
  const Tensor wanted = small.run(Target::simulated, x);
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi})
    EXPECT_TRUE(identical(small.run(Target::integer, x, 2, isa), wanted)) << name_of(isa);
}

// ONNX Runtime's session counts them in steps of sx * sw, as if they had their derived entry.
TEST(FloatBias, BecomesCodesWhereOnnxRuntimeDoesThat) {
  Small counted("uint8"), small = with_float_biases("uint8", false);
  const Tensor x = small.noise({3, 3, 9, 8}, 1);
  EXPECT_TRUE(identical(small.run(Target::onnxruntime, x), counted.run(Target::onnxruntime, x)));
  EXPECT_FALSE(identical(small.run(Target::integer, x), counted.run(Target::integer, x)));
}

INSTANTIATE_TEST_SUITE_P(Formats, FloatBias, testing::Combine(testing::Values("uint8", "int8", "uint16"), testing::Bool()));

// y = clamp(rne((acc * (sx * sw) + b) / sy) + zy), Relu on the way.
TEST(FloatBias, IsAddedToTheSumsBeforeTheClamp) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32), c = g.add_value("c"), y = g.add_value("y");
  const std::vector<float> weights = {0.5f, -1.0f, 1.0f, 0.25f}, bias = {0.3f, -0.7f};
  const ValueId w = g.add_constant("w", Tensor::of<float>({2, 2}, weights)), b = g.add_constant("b", Tensor::of<float>({2}, bias));
  g.inputs = {x}, g.outputs = {y};
  const Node gemm = g.add_node("Gemm", {x, w, b}, {c}, "gemm");
  const Node relu = g.add_node("Relu", {c}, {y}, "relu");
  const Grid gx = tensor_grid(format_named("uint8"), 0.1f, 20), gw = tensor_grid(format_named("int8"), 0.25f);
  const Grid gy = tensor_grid(format_named("uint8"), 0.07f, 3);
  model.quantization.at[{kGraphInput, Side::output, 0}].chain = {gx};
  model.quantization.at[{relu.id, Side::output, 0}].chain = {gy};
  Entry& entry = model.quantization.at[{gemm.id, Side::input, 1}];
  entry.chain = {gw}, entry.codes = quantize(*g.constant(w), gw);
  const std::vector<float> in = {1.1f, 0.4f, -0.9f, 2.0f, 3.3f, 2.9f};
  for (const Target target : {Target::simulated, Target::integer}) {
    bitwright::Run run(Program::compile(model, {.target = target}));
    const Tensor out = run({Tensor::of<float>({3, 2}, in)})[0];
    for (size_t row = 0; row < 3; ++row)
      for (size_t j = 0; j < 2; ++j) {
        float acc = 0;
        for (size_t k = 0; k < 2; ++k)
          acc += std::nearbyint(in[row * 2 + k] / 0.1f) * (weights[k * 2 + j] / 0.25f);
        const float real = acc * (0.1f * 0.25f) + bias[j];
        const float code = std::clamp(std::nearbyint(std::max(real, 0.0f) / 0.07f) + 3, 3.0f, 255.0f);
        EXPECT_EQ(out.values<float>()[row * 2 + j], (code - 3) * 0.07f) << name_of(target) << row << j;
      }
  }
}

}  // namespace
}  // namespace bitwright
