// A Run keeps the Graph's state from call to call; reset begins a new sequence.
#include <gtest/gtest.h>

#include "graph/text.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

Tensor row(std::vector<float> values) {
  const auto n = static_cast<int64_t>(values.size());
  return Tensor::of<float>({1, n}, values);
}
std::vector<float> floats(const Tensor& t) { return {t.values<float>().begin(), t.values<float>().end()}; }
using Floats = std::vector<float>;

// s' = s + x, y = 2 s'
constexpr const char* kSum = R"(graph "sum" {
  input s: f32[1,2]
  input x: f32[1,2]
  const two: f32[1] = {2}
  t: f32[1,2] = Add(s, x)
  y: f32[1,2] = Mul(t, two)
  output t -> s
  output y
})";

TEST(State, IsKeptFromCallToCall) {
  for (const Target target : {Target::floating, Target::simulated, Target::integer}) {
    const auto program = Program::compile(parse_model(kSum), {.target = target});
    ASSERT_EQ(program->inputs().size(), 1u);
    EXPECT_EQ(program->inputs()[0].name, "x");
    ASSERT_EQ(program->outputs().size(), 1u);
    EXPECT_EQ(program->outputs()[0].name, "y");
    bitwright::Run run(program);
    EXPECT_EQ(floats(run({row({1, 2})})[0]), (Floats{2, 4}));
    EXPECT_EQ(floats(run({row({1, 2})})[0]), (Floats{4, 8}));
    EXPECT_EQ(floats(run({row({0, 1})})[0]), (Floats{4, 10}));
    EXPECT_EQ(floats(run.state()[0]), (Floats{2, 5}));
    run.reset();
    EXPECT_EQ(floats(run({row({1, 2})})[0]), (Floats{2, 4}));
  }
}

TEST(State, OfTwoRunsIsTwo) {
  const auto program = Program::compile(parse_model(kSum));
  bitwright::Run a(program), b(program);
  a({row({1, 1})});
  EXPECT_EQ(floats(b({row({5, 5})})[0]), (Floats{10, 10}));
  b.reset(a.state());
  EXPECT_EQ(floats(b({row({1, 1})})[0]), (Floats{4, 4}));
  EXPECT_EQ(floats(a({row({0, 0})})[0]), (Floats{2, 2}));  // b's step did not write into a's memory
}

TEST(State, ThatIsAlsoAResultStaysValidUntilTheNextCall) {
  const auto program = Program::compile(parse_model(R"(graph "g" {
    input s: f32[1,2]
    input x: f32[1,2]
    t: f32[1,2] = Add(s, x)
    u: f32[1,2] = Identity(t)
    output u -> s
    output t
  })"));
  bitwright::Run run(program);
  for (const float step : {1.0f, 2.0f, 3.0f}) EXPECT_EQ(floats(run({row({1, 1})})[0]), (Floats{step, step}));
}

TEST(State, MayBeAnInputOfTheStepBefore) {
  const auto program = Program::compile(parse_model(R"(graph "delay" {
    input last: f32[1,2]
    input x: f32[1,2]
    y: f32[1,2] = Sub(x, last)
    output y
    output x -> last
  })"));
  bitwright::Run run(program);
  run({row({1, 1})});
  EXPECT_EQ(floats(run({row({3, 4})})[0]), (Floats{2, 3}));
  EXPECT_EQ(floats(run({row({3, 4})})[0]), (Floats{0, 0}));
}

TEST(State, MayGrow) {
  const auto program = Program::compile(parse_model(R"(graph "cache" {
    input past: f32[batch,length,2]
    input x: f32[batch,1,2]
    const axes: i64[1] = {1}
    present: f32[batch,?,2] = Concat(past, x) axis=1
    y: f32[batch,2] = ReduceSum(present, axes) keepdims=0
    output y
    output present -> past
  })"));
  bitwright::Run run(program);
  const Tensor x = Tensor::of<float>({1, 1, 2}, std::vector<float>{1, 2});
  for (const float step : {1.0f, 2.0f, 3.0f}) EXPECT_EQ(floats(run({x})[0]), (Floats{step, 2 * step}));
  EXPECT_EQ(run.state()[0].shape(), (Shape{1, 3, 2}));
  const std::vector<Shape> shapes = {{4, 1, 2}};
  EXPECT_EQ(program->initial_state(shapes), (std::vector<Shape>{{4, 0, 2}}));  // the batch is the input's
}

TEST(State, OfAnotherShapeOrTypeIsRefused) {
  const auto program = Program::compile(parse_model(kSum));
  bitwright::Run run(program);
  const std::vector<Tensor> wrong = {Tensor(DType::f32, {1, 3})};
  EXPECT_THROW(run.reset(wrong), Error);
  const auto turns = Program::compile(parse_model(R"(graph "turns" {
    input s: f32[1,2]
    input x: f32[1,2]
    y = Add(s, x)
    z = Cast(y) to=7
    output y
    output z -> s
  })"));
  bitwright::Run once(turns);
  once({row({1, 1})});
  EXPECT_THROW(once({row({1, 1})}), Error);
}

}  // namespace
}  // namespace bitwright
