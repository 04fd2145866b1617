// RMSNormalization by our kernels: of floats, and of codes with exact sums, simulated and in integers.
#include <gtest/gtest.h>

#include <cmath>

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

struct Net {
  Model model;
  Tensor x = noise({5, 3, 40}, 1, 1);

  /// The input has the grid; so has the result, if wanted.
  explicit Net(std::string_view format, bool codes_out) {
    Graph& g = model.graph;
    const ValueId in = g.add_value("x", DType::f32), out = g.add_value("y", DType::f32);
    g.value(in).has_shape = true;
    g.value(in).shape = x.shape();
    g.inputs = {in}, g.outputs = {out};
    Node& node = g.add_node("RMSNormalization", {in, g.add_constant("scale", noise({40}, 1, 2))}, {out}, "norm");
    if (!format.empty()) model.quantization.at[{kGraphInput, Side::output, 0}].chain = {tensor_grid(format_named(format), 0.05f, format == "uint8" ? 117 : 3)};
    if (codes_out) model.quantization.at[{node.id, Side::output, 0}].chain = {tensor_grid(format_named("uint8"), 0.04f, 128)};
  }
  Tensor run(const CompileOptions& options, int threads = 1) const {
    bitwright::Run run(Program::compile(model, options), {.threads = threads});
    return run({x})[0].clone();
  }
  std::string kernel(const CompileOptions& options = {}) const {
    std::string names;
    for (const StepInfo& step : Program::compile(model, options)->steps(std::vector<Shape>{x.shape()})) names += step.kernel + ";";
    return names;
  }
};

TEST(RmsNorm, OfFloatsIsNearTheOperator) {
  const Net net("", false);
  EXPECT_NE(net.kernel().find("rms_norm_f32"), std::string::npos) << net.kernel();
  const Tensor y = net.run({}, 3);
  for (int64_t r = 0; r < 15; ++r) {
    double squares = 0;
    for (int64_t i = 0; i < 40; ++i) squares += std::pow(value_as_double(net.x, r * 40 + i), 2) / 40;
    for (int64_t i = 0; i < 40; ++i) {
      const double scale = value_as_double(*net.model.graph.constant(net.model.graph.nodes[0].inputs[1]), i);
      EXPECT_NEAR(value_as_double(y, r * 40 + i), value_as_double(net.x, r * 40 + i) / std::sqrt(squares + 1e-5) * scale, 1e-5);
    }
  }
}

TEST(RmsNorm, OfCodesIsTheSameSimulatedAndInIntegersEverywhere) {
  for (const std::string_view format : {"uint8", "int8"})
    for (const bool codes_out : {false, true}) {
      const Net net(format, codes_out);
      EXPECT_NE(net.kernel().find("rms_norm_u8"), std::string::npos) << net.kernel();
      const Tensor wanted = net.run({.target = Target::simulated});
      for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avx512})
        for (const int threads : {1, 3})
          EXPECT_TRUE(isa_refuses(isa, isa_cap()) || identical(net.run({.isa = isa}, threads), wanted)) << name_of(isa) << " " << format;
    }
}

TEST(RmsNorm, AlongSeveralAxesIsLeftToTheOperator) {
  Net net("uint8", false);
  net.model.graph.nodes[0].attributes["axis"] = int64_t{1};
  EXPECT_EQ(net.kernel().find("rms_norm"), std::string::npos) << net.kernel();
  EXPECT_TRUE(identical(net.run({}), net.run({.target = Target::simulated})));
}

}  // namespace
}  // namespace bitwright
