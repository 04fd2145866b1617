// A value that is not a number has no code: at run time it becomes the lowest one (Q2), whatever the layout of the scales.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/program.hpp"

namespace bitwright {
namespace {

TEST(NotANumber, BecomesTheLowestCodeAtRunTime) {
  for (const bool per_channel : {false, true})
    for (const Target target : {Target::simulated, Target::integer}) {
      Model model;
      Graph& g = model.graph;
      const ValueId x = g.add_value("x", DType::f32), y = g.add_value("y", DType::f32);
      g.value(x).has_shape = true, g.value(x).shape = {1, 2};
      g.inputs = {x}, g.outputs = {y};
      g.add_node("Neg", {x}, {y}, "neg");
      const Format& format = format_named("int8");
      const Site site{kGraphInput, Side::output, 0};
      const float scales[] = {0.5f, 0.25f};
      model.quantization.at[site].chain = {per_channel ? channel_grid(format, 1, scales) : tensor_grid(format, scales[0])};
      bitwright::Run run(Program::compile(model, {.target = target}));
      const Tensor out = run({Tensor::of<float>({1, 2}, std::vector<float>{1, NAN})})[0];
      EXPECT_EQ(out.values<float>()[0], -1);
      EXPECT_EQ(out.values<float>()[1], per_channel ? 32 : 64) << name_of(target);
    }
}

}  // namespace
}  // namespace bitwright
