// If whose condition the shapes of a run decide: its branch is compiled in its place. And the shapes that a program is
// tried on when nobody gives any.
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

// One word: doubled. More: their negation. Constant branch outputs, nested Ifs and values from outside are there, too.
const char* const kBranches = R"(graph "g" {
  input x: f32[B,T]
  const one: i64[] = {1}
  const two: f32[] = {2}
  s: i64[2] = Shape(x)
  t: i64[] = Gather(s, one)
  c: bool[] = Equal(t, one)
  y: f32[B,T] = If(c) else_branch=graph "more" {
    n: f32[B,T] = Neg(x)
    z: f32[B,T] = If(c) else_branch=graph "inner" {
      output n
    } then_branch=graph "never" {
      output x
    }
    output z
  } then_branch=graph "one" {
    m: f32[B,T] = Mul(x, two)
    output m
  }
  w: f32[] = If(c) else_branch=graph "constant" {
    const seven: f32[] = {7}
    output seven
  } then_branch=graph "other" {
    output two
  }
  v: f32[B,T] = Add(y, w)
  output v
}
)";

std::vector<float> run_on(bitwright::Run& run, Shape shape, std::vector<float> values) {
  const Tensor x = Tensor::of<float>(shape, values);
  const Tensor y = run({x})[0];
  EXPECT_EQ(y.shape(), shape);
  return {y.values<float>().begin(), y.values<float>().end()};
}

TEST(Branches, AreTakenByShapeWithinOneProgram) {
  const auto program = Program::compile(parse_model(kBranches), {.target = Target::floating});
  bitwright::Run run(program);
  EXPECT_EQ(run_on(run, {2, 1}, {3, 4}), (std::vector<float>{8, 10}));
  EXPECT_EQ(run_on(run, {1, 3}, {1, 2, 3}), (std::vector<float>{6, 5, 4}));
  EXPECT_EQ(run_on(run, {1, 1}, {5}), (std::vector<float>{12}));
  for (const StepInfo& step : program->steps(std::vector<Shape>{{1, 3}})) EXPECT_NE(step.kernel, "float If");
}

TEST(Branches, OfAnUnknownConditionAreChosenInTheRun) {
  const auto program = Program::compile(parse_model(R"(graph "g" {
  input x: f32[2]
  input c: bool[]
  y: f32[2] = If(c) else_branch=graph "e" {
    n: f32[2] = Neg(x)
    output n
  } then_branch=graph "t" {
    output x
  }
  output y
}
)"), {.target = Target::floating});
  bitwright::Run run(program);
  const Tensor x = Tensor::of<float>({2}, std::vector<float>{1, 2});
  EXPECT_EQ(run({x, Tensor::scalar(true)})[0].values<float>()[1], 2);
  EXPECT_EQ(run({x, Tensor::scalar(false)})[0].values<float>()[1], -2);
}

TEST(DefaultShapes, AreTheLeastThatTheNetworkTakes) {
  const auto program = Program::compile(parse_model(R"(graph "g" {
  input x: f32[B,1,T]
  input h: f32[4,B]
  const w: f32[1,1,5] = {1, 2, 3, 4, 5}
  y: f32[B,1,U] = Conv(x, w)
  output y
  output h
}
)"), {.target = Target::floating});
  EXPECT_EQ(program->default_shapes(3), (std::vector<Shape>{{3, 1, 8}, {4, 3}}));
  EXPECT_EQ(program->default_shapes(1, 100), (std::vector<Shape>{{1, 1, 100}, {4, 1}}));
}

TEST(DefaultShapes, NoneIsTheErrorOfTheFirst) {
  const auto program = Program::compile(parse_model(R"(graph "g" {
  input x: f32[1,2,T]
  const w: f32[1,3,1] = {1, 2, 3}
  y = Conv(x, w)
  output y
}
)"), {.target = Target::floating});
  EXPECT_THROW(program->default_shapes(), Error);
}

}  // namespace
}  // namespace bitwright
