// What data in one type give to a network that wants another.
#include <gtest/gtest.h>

#include <cmath>

#include "api/metric.hpp"

namespace bitwright {
namespace {

class One : public Dataset {
 public:
  explicit One(Tensor tensor, size_t expected = 0) : tensor_(std::move(tensor)), expected_(expected) {}
  int64_t size() const override { return tensor_.dim(0); }
  Task task() const override { return expected_ > 0 ? Task::compare : Task::none; }
  std::string description() const override { return "one tensor"; }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    batch.inputs = {tensor_};
    batch.expected.assign(expected_, tensor_);
    return batch;
  }

 private:
  Tensor tensor_;
  size_t expected_;
};

template <class T>
Tensor row(std::vector<T> values) {
  return Tensor::of<T>({static_cast<int64_t>(values.size())}, values);
}

Tensor bound(const Tensor& tensor, DType wanted) {
  const std::vector<Port> ports = {{"x", wanted, true, {tensor.dim(0)}}};
  const One data(tensor);
  return bind_inputs(Graph(), ports, data, data.batch(0, tensor.dim(0)))[0];
}

std::string refusal(const Tensor& tensor, DType wanted) {
  try {
    bound(tensor, wanted);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::mismatch);
    return e.what();
  }
  return "none";
}

TEST(BindInputs, FloatsAreRounded) {
  EXPECT_EQ(static_cast<float>(bound(row<float>({1.5f, 0.1f}), DType::f16).values<Half>()[1]), 0.0999755859375f);
  EXPECT_EQ(bound(row<double>({0.1}), DType::f32).values<float>()[0], 0.1f);
  EXPECT_EQ(bound(row<double>({0.1}), DType::f64).values<double>()[0], 0.1);
  EXPECT_EQ(bound(row<float>({0.1f}), DType::f64).values<double>()[0], static_cast<double>(0.1f));
  EXPECT_TRUE(std::isnan(static_cast<float>(bound(row<float>({NAN}), DType::bf16).values<BFloat16>()[0])));
}

TEST(BindInputs, IntegersChangeTypeWhereNoValueDoes) {
  EXPECT_EQ(bound(row<int64_t>({-5, 2000000000}), DType::i32).values<int32_t>()[1], 2000000000);
  EXPECT_EQ(bound(row<int32_t>({-5}), DType::i64).values<int64_t>()[0], -5);
  EXPECT_EQ(bound(row<double>({7}), DType::i64).values<int64_t>()[0], 7);
  EXPECT_EQ(bound(row<uint8_t>({255}), DType::f32).values<float>()[0], 255);
  EXPECT_TRUE(bound(row<int64_t>({1}), DType::boolean).values<bool>()[0]);
}

TEST(BindInputs, ValuesThatWouldChangeAreRefused) {
  const std::string end = " with values that it cannot hold exactly";
  EXPECT_EQ(refusal(row<int64_t>({int64_t{1} << 31}), DType::i32), "the network's input 'x' wants i32, the data give i64" + end);
  EXPECT_EQ(refusal(row<float>({0.5f}), DType::i64), "the network's input 'x' wants i64, the data give f32" + end);
  EXPECT_EQ(refusal(row<float>({NAN}), DType::i8), "the network's input 'x' wants i8, the data give f32" + end);
  EXPECT_EQ(refusal(row<int32_t>({16777217}), DType::f32), "the network's input 'x' wants f32, the data give i32" + end);
  EXPECT_EQ(refusal(row<uint64_t>({~uint64_t{0}}), DType::i64), "the network's input 'x' wants i64, the data give u64" + end);
  EXPECT_EQ(refusal(row<int8_t>({2}), DType::boolean), "the network's input 'x' wants bool, the data give i8" + end);
}

TEST(Evaluate, AllExpectedOutputsAreJudged) {
  Model model;
  const ValueId x = model.graph.add_value("x", DType::f32), y = model.graph.add_value("y");
  model.graph.add_node("Relu", {x}, {y}, "relu");
  model.graph.inputs = {x}, model.graph.outputs = {y};
  const auto program = Program::compile(model, {.target = Target::floating});
  EXPECT_EQ(evaluate(program, One(row<float>({1, 2}), 1)).max_error, 0);
  try {
    evaluate(program, One(row<float>({1, 2}), 2));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "the network has 1 output, the data expect 2");
  }
}

}  // namespace
}  // namespace bitwright
