// Extents of 0. A sum over nothing is 0 (or the bias): it has to be written, whatever lay in the arena. A batch of nothing is
// a batch of nothing on every target.
#include <gtest/gtest.h>

#include <cstring>

#include "small.hpp"

namespace bitwright {
namespace {

/// The output of a second run, after the memory of the first one's was overwritten.
Tensor twice(const Model& model, const CompileOptions& options, std::span<const Tensor> inputs) {
  bitwright::Run run(Program::compile(model, options), {.threads = 2});
  for (const Tensor& y : run(inputs)) std::memset(const_cast<std::byte*>(y.raw()), 0x5a, y.bytes());
  return run(inputs)[0].clone();
}

constexpr int64_t kCols = 21;

/// y[3, kCols] = x[3, 0] * w[0, kCols] + bias.
struct NoDepth {
  Model model;
  Tensor bias{DType::f32, {kCols}};

  NoDepth(When activations, bool per_row, bool codes_out) {
    for (int64_t i = 0; i < kCols; ++i) bias.values<float>()[static_cast<size_t>(i)] = 0.5f * static_cast<float>(i - 4);
    Graph& g = model.graph;
    const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y");
    const ValueId w = g.add_constant("w", Tensor(DType::f32, {0, kCols})), b = g.add_constant("b", bias);
    const Node& gemm = g.add_node("Gemm", {x, w, b}, {y}, "gemm");
    g.inputs = {x}, g.outputs = {y};
    Entry& weights = model.quantization.at[{gemm.id, Side::input, 1}];
    weights.chain = {tensor_grid(format_named("int8"), 1.0f)};
    weights.codes = Tensor(DType::i8, {0, kCols});
    if (activations == When::at_run) {
      Entry& entry = model.quantization.at[{gemm.id, Side::input, 0}];
      entry.when = activations, entry.per_row = per_row;
      return;
    }
    model.quantization.at[{kGraphInput, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 0.5f, 3)};
    model.quantization.at[{gemm.id, Side::input, 2}].when = When::derived;
    if (codes_out) model.quantization.at[{gemm.id, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 0.5f, 9)};
  }

  void expect_bias(Target target, Isa isa) const {
    const Tensor x[] = {Tensor(DType::f32, {3, 0})};
    const Tensor y = twice(model, {.target = target, .isa = isa}, x);
    ASSERT_EQ(y.shape(), (Shape{3, kCols}));
    for (size_t i = 0; i < 3 * kCols; ++i)
      EXPECT_EQ(y.values<float>()[i], bias.values<float>()[i % kCols]) << name_of(target) << ", " << name_of(isa);
  }
};

constexpr Isa kIsas[] = {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi};

TEST(Empty, SumsOverNothingAreTheBias) {
  for (const auto& [when, per_row, codes_out] :
       {std::tuple(When::statically, false, true), {When::statically, false, false}, {When::at_run, false, false}, {When::at_run, true, false}})
    for (const Target target : {Target::floating, Target::simulated, Target::integer})
      for (const Isa isa : kIsas) NoDepth(when, per_row, codes_out).expect_bias(target, isa);
}

TEST(Empty, ProductsOfActivationsOverNothingAreZero) {
  for (const Target target : {Target::floating, Target::simulated, Target::integer})
    for (const Isa isa : kIsas) {
      Model model;
      Graph& g = model.graph;
      const ValueId a = g.add_value("a", DType::f32), b = g.add_value("b", DType::f32), y = g.add_value("y");
      g.add_node("MatMul", {a, b}, {y}, "product");
      g.inputs = {a, b}, g.outputs = {y};
      for (const uint16_t i : {uint16_t{0}, uint16_t{1}})
        model.quantization.at[{kGraphInput, Side::output, i}].chain = {tensor_grid(format_named("uint8"), 0.5f, 3)};
      const Tensor inputs[] = {Tensor(DType::f32, {2, 5, 0}), Tensor(DType::f32, {2, 0, 18})};
      const Tensor sums = twice(model, {.target = target, .isa = isa}, inputs);
      ASSERT_EQ(sums.shape(), (Shape{2, 5, 18}));
      for (const float v : sums.values<float>()) EXPECT_EQ(v, 0) << name_of(target) << ", " << name_of(isa);
    }
}

TEST(Empty, BatchesOfNothing) {
  const Small small("uint8");
  for (const Target target : {Target::floating, Target::simulated, Target::integer, Target::onnxruntime}) {
    bitwright::Run run(Program::compile(small.model, {.target = target}), {.threads = 2});
    EXPECT_EQ(run({Tensor(DType::f32, {0, 3, 9, 8})})[0].shape(), (Shape{0, 10})) << name_of(target);
    EXPECT_EQ(run({Tensor(DType::f32, {2, 3, 9, 8})})[0].shape(), (Shape{2, 10})) << name_of(target);
  }
}

}  // namespace
}  // namespace bitwright
