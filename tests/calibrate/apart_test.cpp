// Which networks run the records of a batch a few at a time: those that provably compute each by itself.
#include "calibrate/apart.hpp"

#include <gtest/gtest.h>

#include "calibrate/nets.hpp"

namespace bitwright {
namespace {

using testing::Net;
using testing::random_tensor;

constexpr int64_t kRecords = 8, kWhole = kRecords;

/// A network of [N, 4, 512, 512], of which one record fits, and what `add` makes of its input.
template <class Add>
int64_t together(Add add, Shape shape = {-1, 4, 512, 512}) {
  Net net;
  net.g.symbol("N"), net.g.symbol("M");
  const ValueId x = net.input("x", shape);
  net.output(add(net, x));
  shape[0] = kRecords;
  return records_together(net.g, std::vector<Tensor>{Tensor(DType::f32, shape)}, kRecords);
}

Tensor ints(std::vector<int64_t> values) { return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values); }

TEST(Apart, LayersOfConvolutionalNetworks) {
  EXPECT_EQ(together([](Net& n, ValueId x) { return n.add("Relu", {n.conv(x, 4, 4, "conv")}, "relu"); }), 1);
  EXPECT_EQ(together([](Net& n, ValueId x) { return n.add("Add", {x, n.add("Sigmoid", {x}, "s")}, "add"); }), 1);
  EXPECT_EQ(together([](Net& n, ValueId x) { return n.add("Mul", {x, n.g.add_constant("c", random_tensor({4, 1, 1}, 1))}, "mul"); }), 1);
  EXPECT_EQ(together([](Net& n, ValueId x) {
              const ValueId flat = n.add("Flatten", {n.add("GlobalAveragePool", {x}, "mean")}, "flat");
              return n.add("MatMul", {flat, n.g.add_constant("w", random_tensor({4, 10}, 1))}, "product");
            }),
            1);
}

TEST(Apart, AsManyAsFit) {
  const auto relu = [](Net& n, ValueId x) { return n.add("Relu", {x}, "relu"); };
  EXPECT_EQ(together(relu, {-1, 1, 512, 512}), 4);
  EXPECT_EQ(together(relu, {-1, 3}), kWhole);
}

TEST(Apart, ShapesThatCountTheRecords) {
  const auto reshaped = [](std::vector<int64_t> to) {
    return [to](Net& n, ValueId x) { return n.add("Reshape", {x, n.g.add_constant("to", ints(to))}, "reshape"); };
  };
  EXPECT_EQ(together(reshaped({-1, 512, 512})), 1) << "each record is four";
  EXPECT_EQ(together(reshaped({4, -1, 512, 512})), kWhole);
  EXPECT_EQ(together(reshaped({0, 0, -1})), 1);
  EXPECT_EQ(together([](Net& n, ValueId x) {
              const ValueId shape = n.g.add_value("shape", DType::i64);
              n.g.add_node("Shape", {x}, {shape}, "shape");
              return n.add("Reshape", {x, shape}, "reshape");
            }),
            1);
}

TEST(Apart, WhatMixesRecordsIsRunAsAWhole) {
  const auto along = [](const char* op, int64_t axis) {
    return [=](Net& n, ValueId x) {
      const ValueId y = n.add(op, {x}, "y");
      n.g.nodes.back().attributes["axis"] = axis;
      return y;
    };
  };
  EXPECT_EQ(together(along("Softmax", 0)), kWhole);
  EXPECT_EQ(together(along("Softmax", -4)), kWhole);
  EXPECT_EQ(together(along("Softmax", 1)), 1);
  EXPECT_EQ(together(along("Flatten", 0)), kWhole);
  EXPECT_EQ(together([](Net& n, ValueId x) {
              const ValueId y = n.add("Transpose", {x}, "y");
              n.g.nodes.back().attributes["perm"] = std::vector<int64_t>{1, 0, 2, 3};
              return n.add("Relu", {y}, "relu");
            }),
            kWhole);
  EXPECT_EQ(together([](Net& n, ValueId x) {
              const ValueId mean = n.add("ReduceMean", {x, n.g.add_constant("axes", ints({0}))}, "mean");
              return n.add("Sub", {x, mean}, "sub");
            }),
            kWhole);
  EXPECT_EQ(together([](Net& n, ValueId x) {
              const ValueId sum = n.add("CumSum", {x, n.g.add_constant("axis", Tensor::scalar<int64_t>(0))}, "sum");
              return n.add("Relu", {sum}, "relu");
            }),
            kWhole);
  EXPECT_EQ(together([](Net& n, ValueId x) { return n.add("Squeeze", {n.add("GlobalAveragePool", {x}, "mean")}, "squeeze"); }), kWhole)
      << "one record would lose its axis";
  const auto times_itself = [](Net& n, ValueId x) { return n.add("MatMul", {x, x}, "product"); };
  EXPECT_EQ(together(times_itself), 1) << "matrix by matrix";
}

TEST(Apart, WeightsAreNotRead) {
  bool read = false;
  const auto weights = Tensor::deferred(DType::f32, {4, 1, 1}, [&] {
    read = true;
    return Tensor(DType::f32, {4, 1, 1});
  });
  EXPECT_EQ(together([&](Net& n, ValueId x) { return n.add("Mul", {x, n.g.add_constant("c", weights)}, "mul"); }), 1);
  EXPECT_FALSE(read);
}

TEST(Apart, InputsByRecordAndOthers) {
  Net net;
  const int64_t batch = net.g.symbol("N"), other = net.g.symbol("M");
  const ValueId x = net.input("x", {batch, 1024, 1024}), y = net.input("y", {batch, 1, 1}), z = net.input("z", {1});
  net.output(net.add("Add", {net.add("Mul", {x, z}, "mul"), y}, "add"));
  const std::vector<Tensor> inputs = {Tensor(DType::f32, {3, 1024, 1024}), random_tensor({3, 1, 1}, 1), random_tensor({1}, 2)};
  EXPECT_EQ(records_together(net.g, inputs, 3), 1);
  const auto parts = records_of(net.g, inputs, 3, 1, 2);
  EXPECT_EQ(parts[0].shape(), (Shape{2, 1024, 1024}));
  EXPECT_EQ(parts[0].raw(), inputs[0].raw() + (size_t{4} << 20));
  EXPECT_EQ(parts[1].values<float>()[0], inputs[1].values<float>()[1]);
  EXPECT_EQ(parts[2].shape(), (Shape{1}));
  net.g.value(y).shape[0] = other;
  EXPECT_EQ(records_together(net.g, inputs, 3), 3) << "two symbols: records of which?";
}

}  // namespace
}  // namespace bitwright
