// Products of two activations: integer and simulated give the same codes, which are those of the definition, on every
// instruction set and with any number of threads.
#include <gtest/gtest.h>

#include <random>

#include "runtime/program.hpp"

namespace bitwright {
namespace {

struct Pair {
  Model model;
  Tensor a, b;
  Grid ga, gb, gy;

  Pair(Shape left, Shape right, const Format& format, bool quantized_result) : a(DType::f32, left), b(DType::f32, right) {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (float& v : a.values<float>()) v = normal(random);
    for (float& v : b.values<float>()) v = normal(random) + 0.5f;
    const int32_t middle = format.is_signed ? 0 : 128;
    ga = tensor_grid(format, 0.03f, middle - 5), gb = tensor_grid(format, 0.021f, middle + 17), gy = tensor_grid(format, 0.31f, middle);
    Graph& g = model.graph;
    const ValueId x = g.add_value("a", DType::f32), w = g.add_value("b", DType::f32), y = g.add_value("y", DType::f32);
    const NodeId node = g.add_node("MatMul", {x, w}, {y}, "product").id;
    g.inputs = {x, w}, g.outputs = {y};
    model.quantization.at[{kGraphInput, Side::output, 0}].chain = {ga};
    model.quantization.at[{kGraphInput, Side::output, 1}].chain = {gb};
    if (quantized_result) model.quantization.at[{node, Side::output, 0}].chain = {gy};
  }

  Tensor run(CompileOptions options, int threads = 1) const {
    const auto program = Program::compile(model, options);
    bitwright::Run run(program, {.threads = threads});
    return run({a, b})[0].clone();
  }
  bool in_integers() const {
    for (const StepInfo& step : Program::compile(model)->steps(std::vector<Shape>{a.shape(), b.shape()}))
      if (step.integer && step.macs > 0) return true;
    return false;
  }
};

int64_t centered_code(const Grid& grid, float v) {
  const double zero = value_as_double(grid.zero, 0), scale = value_as_double(grid.scale, 0);
  const float ratio = v / static_cast<float>(scale);
  return static_cast<int64_t>(std::min(std::max(std::nearbyint(static_cast<double>(ratio)) + zero, double{-128}), 255.0) - zero);
}

void expect_equal_everywhere(const Pair& p) {
  EXPECT_TRUE(p.in_integers());
  const Tensor wanted = p.run({.target = Target::simulated});
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi})
    for (const int threads : {1, 3}) EXPECT_TRUE(identical(p.run({.isa = isa}, threads), wanted)) << name_of(isa);
}

TEST(PairProduct, IntegerEqualsSimulated) {
  for (const std::string_view format : {"uint8", "int8"})
    for (const bool quantized : {true, false}) {
      expect_equal_everywhere(Pair({2, 3, 7, 33}, {2, 3, 33, 21}, format_named(format), quantized));
      expect_equal_everywhere(Pair({5, 64}, {64, 70}, format_named(format), quantized));
    }
}

TEST(PairProduct, LeadingDimensionsAreBroadcast) {
  expect_equal_everywhere(Pair({2, 1, 4, 9}, {3, 9, 5}, format_named("uint8"), true));
  expect_equal_everywhere(Pair({4, 9}, {2, 3, 9, 5}, format_named("uint8"), true));
}

TEST(PairProduct, LongSumsThatFloatsDoNotHold) { expect_equal_everywhere(Pair({3, 1500}, {1500, 20}, format_named("uint8"), true)); }

TEST(PairProduct, SixteenBitCodes) { expect_equal_everywhere(Pair({3, 40}, {40, 20}, format_named("int16"), true)); }

TEST(PairProduct, SumsAreThoseOfTheDefinition) {
  const Pair p({6, 31}, {31, 18}, format_named("uint8"), false);
  const Tensor y = p.run({});
  for (int64_t r = 0; r < 6; ++r)
    for (int64_t c = 0; c < 18; ++c) {
      int64_t acc = 0;
      for (int64_t k = 0; k < 31; ++k)
        acc += centered_code(p.ga, p.a.values<float>()[static_cast<size_t>(r * 31 + k)]) *
               centered_code(p.gb, p.b.values<float>()[static_cast<size_t>(k * 18 + c)]);
      EXPECT_EQ(y.values<float>()[static_cast<size_t>(r * 18 + c)], static_cast<float>(acc) * (0.03f * 0.021f)) << r << "," << c;
    }
}

}  // namespace
}  // namespace bitwright
