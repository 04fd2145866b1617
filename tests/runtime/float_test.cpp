// The float target with oneDNN against our own loops, over shapes that cut into several strips; and the same bits for any
// number of threads.
#include <gtest/gtest.h>

#include "noise.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

struct Case {
  int64_t n, c, h, w, oc, k, stride, dilation, group;
  std::vector<int64_t> pads;
};

Model conv_relu_add(const Case& p) {
  Model model;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x", DType::f32);
  g.inputs = {x};
  const ValueId w = g.add_constant("w", noise({p.oc, p.c / p.group, p.k, p.k}, 1, 2));
  const ValueId b = g.add_constant("b", noise({p.oc}, 1, 3));
  const ValueId y = g.add_value("y"), r = g.add_value("r"), s = g.add_value("s");
  Node& conv = g.add_node("Conv", {x, w, b}, {y}, "conv");
  conv.attributes["pads"] = p.pads;
  conv.attributes["strides"] = std::vector<int64_t>{p.stride, p.stride};
  conv.attributes["dilations"] = std::vector<int64_t>{p.dilation, p.dilation};
  conv.attributes["group"] = p.group;
  g.add_node("Relu", {y}, {r}, "relu");
  g.add_node("Add", {r, r}, {s}, "add");
  g.outputs = {s};
  return model;
}

class FloatConv : public testing::TestWithParam<Case> {};

TEST_P(FloatConv, EqualsOurLoopsWithinRoundingForAnyThreads) {
  const Case& p = GetParam();
  const Model model = conv_relu_add(p);
  const Tensor x = noise({p.n, p.c, p.h, p.w}, 1, 1);
  auto run = [&](bool onednn, int threads) {
    bitwright::Run runner(Program::compile(model, {.target = Target::floating, .onednn = onednn}), {.threads = threads});
    return runner({x})[0].clone();
  };
  const Tensor expected = run(false, 1), one = run(true, 1), three = run(true, 3);
  EXPECT_TRUE(identical(one, three));
  ASSERT_EQ(expected.shape(), one.shape());
  // k eps magnitude: k products of magnitude 1 sum to about sqrt(k), and Add doubles the result.
  const auto k = static_cast<double>(p.c / p.group * p.k * p.k);
  const double tolerance = k * 0x1p-23 * 2 * std::sqrt(k);
  for (size_t i = 0; i < static_cast<size_t>(one.elements()); ++i)
    ASSERT_NEAR(expected.values<float>()[i], one.values<float>()[i], tolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, FloatConv,
                         testing::Values(Case{2, 3, 33, 31, 16, 3, 1, 1, 1, {1, 1, 1, 1}},
                                         Case{1, 64, 56, 56, 64, 3, 1, 1, 1, {1, 1, 1, 1}},
                                         Case{1, 32, 57, 40, 48, 5, 2, 1, 1, {2, 1, 0, 2}},
                                         Case{1, 16, 30, 30, 16, 3, 1, 2, 1, {2, 2, 2, 2}},
                                         Case{2, 32, 28, 28, 32, 3, 2, 1, 32, {1, 1, 1, 1}},
                                         Case{1, 24, 15, 15, 36, 1, 2, 1, 1, {0, 0, 0, 0}},
                                         Case{1, 4, 9, 9, 8, 3, 1, 1, 2, {3, 3, 3, 3}},
                                         Case{1, 8, 12, 12, 8, 3, 3, 1, 1, {0, 0, 0, 0}}));

}  // namespace
}  // namespace bitwright
