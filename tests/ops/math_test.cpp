#include <cmath>

#include "helpers.hpp"

namespace bitwright {
namespace {

Tensor ints(std::initializer_list<int64_t> v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); }

TEST(Math, ValuesAndTypes) {
  const Tensor x = floats({4}, {-1.5f, -0.5f, 0.5f, 2.5f});
  expect_near(run_op("Round", {x})[0], {-2, 0, 0, 2});
  expect_near(run_op("Exp", {x})[0], {std::exp(-1.5f), std::exp(-0.5f), std::exp(0.5f), std::exp(2.5f)}, 1e-5f);
  expect_near(run_op("Erf", {floats({1}, {0.5f})})[0], {0.5204999f});
  const Tensor half = run_op("Sqrt", {Tensor::of<Half>({1}, std::vector<Half>{Half(2.0f)})})[0];
  EXPECT_EQ(half.dtype(), DType::f16);
  expect_near(half, {1.4142135f}, 1e-3f);
  EXPECT_EQ(run_op("Exp", {tensor<double>({1}, {1})})[0].values<double>()[0], std::exp(1.0));
  EXPECT_EQ(run_op("Exp", {Tensor(DType::f32, {0, 3})})[0].elements(), 0);
  EXPECT_EQ(message_of("Sin", {ints({1})}), "node 'n' (Sin): input 0 is i64, wanted f16, bf16, f32 or f64");
}

TEST(Math, ErfAndShrinkTakeIntegers) {
  EXPECT_EQ(list<int64_t>(run_op("Erf", {ints({-9, 0, 1, 9})})[0]), (Ints{-1, 0, 0, 1}));
  const Attributes attributes = {{"lambd", 1.5f}, {"bias", 1.5f}};
  EXPECT_EQ(list<int8_t>(run_op("Shrink", {tensor<int8_t>({5}, {-128, -2, -1, 1, 4})}, attributes)[0]), (std::vector<int8_t>{-126, 0, 0, 0, 2}));
  EXPECT_EQ(list<uint8_t>(run_op("Shrink", {tensor<uint8_t>({2}, {1, 9})}, {{"bias", 20.0f}})[0]), (std::vector<uint8_t>{0, 0}));
}

TEST(Math, OperandsOfWrongTypeOrShapeAreNamed) {
  const Tensor x = floats({2}, {1, 2});
  EXPECT_EQ(message_of("Clip", {x, ints({1})}), "node 'n' (Clip): limit 1 is i64[1], wanted one f32");
  EXPECT_EQ(message_of("Clip", {x, Tensor(DType::f32, {0})}), "node 'n' (Clip): limit 1 is f32[0], wanted one f32");
}

TEST(Math, ATensorReadAsAnotherTypeNamesTheNode) {
  const Op reader = {.name = "Sin", .run = [](OpContext& c) { c.input(0).values<float>(); }};
  const Node node = make_node("Sin", 1);
  const Tensor x = ints({1});
  OpContext context(node, std::span(&x, 1), false);
  try {
    run_operator(reader, context);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "node 'n' (Sin): a tensor is i64, wanted f32");
  }
}

TEST(Math, SignsOfEveryType) {
  EXPECT_EQ(list<int8_t>(run_op("Abs", {tensor<int8_t>({3}, {-128, -3, 4})})[0]), (std::vector<int8_t>{-128, 3, 4}));
  EXPECT_EQ(list<int32_t>(run_op("Sign", {tensor<int32_t>({3}, {-9, 0, 4})})[0]), (std::vector<int32_t>{-1, 0, 1}));
  EXPECT_EQ(list<int64_t>(run_op("Neg", {ints({5, -6})})[0]), (Ints{-5, 6}));
  EXPECT_EQ(list<bool>(run_op("IsInf", {floats({3}, {INFINITY, -INFINITY, 1})}, {{"detect_negative", int64_t{0}}})[0]),
            (std::vector<bool>{true, false, false}));
  EXPECT_EQ(list<bool>(run_op("IsNaN", {floats({2}, {NAN, 1})})[0]), (std::vector<bool>{true, false}));
  expect_near(run_op("PRelu", {floats({2, 2}, {-1, 2, -3, 4}), floats({2}, {0.5f, 1})})[0], {-0.5f, 2, -1.5f, 4});
}

// At points worked out from the formulas by hand or with a table of the functions.
TEST(Activations, Values) {
  const Tensor x = floats({3}, {-1, 0, 2});
  expect_near(run_op("Sigmoid", {x})[0], {0.26894143f, 0.5f, 0.8807971f});
  expect_near(run_op("Sigmoid", {floats({2}, {-200, 200})})[0], {0, 1});
  expect_near(run_op("Softplus", {floats({2}, {0, 200})})[0], {0.6931472f, 200});
  expect_near(run_op("HardSigmoid", {x})[0], {0.3f, 0.5f, 0.9f});
  expect_near(run_op("HardSwish", {x})[0], {-1.0f / 3, 0, 5.0f / 3});
  expect_near(run_op("Elu", {x}, {{"alpha", 2.0f}})[0], {-1.2642411f, 0, 2});
  expect_near(run_op("LeakyRelu", {x}, {{"alpha", 0.25f}})[0], {-0.25f, 0, 2});
  expect_near(run_op("Gelu", {x})[0], {-0.15865525f, 0, 1.9544997f});
  expect_near(run_op("Gelu", {x}, {{"approximate", std::string("tanh")}})[0], {-0.158808f, 0, 1.9545977f}, 1e-5f);
  expect_near(run_op("Swish", {x}, {{"alpha", 2.0f}})[0], {-0.11920292f, 0, 1.9640276f});
  expect_near(run_op("Shrink", {x}, {{"bias", 0.5f}, {"lambd", 1.5f}})[0], {0, 0, 1.5f});
  expect_near(run_op("ThresholdedRelu", {x}, {{"alpha", 2.0f}})[0], {0, 0, 0});
  EXPECT_EQ(message_of("Gelu", {x}, {{"approximate", std::string("erf")}}),
            "node 'n' (Gelu): approximate is 'erf', wanted none or tanh");
}

TEST(Softmax, AnyAxisAndLargeValues) {
  expect_near(run_op("Softmax", {floats({2}, {1000, 1000})})[0], {0.5f, 0.5f});
  expect_near(run_op("Softmax", {floats({2, 2}, {0, 1, 0, 3})}, {{"axis", int64_t{0}}})[0],
              {0.5f, 0.11920292f, 0.5f, 0.880797f});
  expect_near(run_op("LogSoftmax", {floats({2}, {0, 0})})[0], {-0.6931472f, -0.6931472f});
  expect_near(run_op("Hardmax", {floats({3}, {1, 4, 4})})[0], {0, 1, 0});
}

TEST(Reduce, AxesKeepdimsAndEmptySets) {
  const Tensor x = counting({2, 3, 2});
  expect_near(run_op("ReduceSum", {x, ints({1}), }, {{"keepdims", int64_t{0}}})[0], {6, 9, 24, 27});
  EXPECT_EQ(run_op("ReduceMean", {x, ints({-1, 0})})[0].shape(), (Shape{1, 3, 1}));
  expect_near(run_op("ReduceMean", {x, ints({-1, 0})})[0], {3.5f, 5.5f, 7.5f});
  expect_near(run_op("ReduceMax", {x})[0], {11});
  EXPECT_TRUE(identical(run_op("ReduceSum", {x}, {{"noop_with_empty_axes", int64_t{1}}})[0], x));
  expect_near(run_op("ReduceSum", {Tensor(DType::f32, {2, 0}), ints({1})}, {{"keepdims", int64_t{0}}})[0], {0, 0});
  EXPECT_EQ(run_op("ReduceMax", {Tensor(DType::i8, {0})}, {{"keepdims", int64_t{0}}})[0].values<int8_t>()[0], -128);
  EXPECT_EQ(run_op("ReduceMean", {Tensor(DType::i32, {2, 0}), ints({1})})[0].values<int32_t>()[0], 0);
  EXPECT_EQ(message_of("ReduceSum", {x, ints({3})}), "node 'n' (ReduceSum): axis 3 is outside a tensor of rank 3");
}

TEST(Reduce, EveryKind) {
  const Tensor x = floats({1, 3}, {-1, 2, 3});
  auto one = [&](const char* op) { return to_f32(run_op(op, {x, ints({1})})[0]).values<float>()[0]; };
  EXPECT_FLOAT_EQ(one("ReduceProd"), -6);
  EXPECT_FLOAT_EQ(one("ReduceL1"), 6);
  EXPECT_FLOAT_EQ(one("ReduceL2"), std::sqrt(14.0f));
  EXPECT_FLOAT_EQ(one("ReduceLogSum"), std::log(4.0f));
  EXPECT_FLOAT_EQ(one("ReduceLogSumExp"), 3.3265626f);
  EXPECT_FLOAT_EQ(one("ReduceSumSquare"), 14);
  EXPECT_FLOAT_EQ(one("ReduceMin"), -1);
  EXPECT_EQ(list<bool>(run_op("ReduceMax", {tensor<bool>({2, 2}, {true, false, false, false}), ints({1})})[0]),
            (std::vector<bool>{true, false}));
  EXPECT_EQ(run_op("ReduceMax", {tensor<uint64_t>({2}, {UINT64_MAX, 1})})[0].values<uint64_t>()[0], UINT64_MAX);
  EXPECT_EQ(run_op("ReduceSum", {tensor<int32_t>({2}, {INT32_MAX, 1})})[0].values<int32_t>()[0], INT32_MIN);
}

TEST(Reduce, LongRunsDoNotDependOnThreads) {
  const Tensor x = counting({64, 5001});
  Threads threads(3);
  const std::vector<Tensor> in = {x, ints({1})};
  const Node node = make_node("ReduceSum", 2);
  EXPECT_TRUE(identical(evaluate(node, in)[0], evaluate(node, in, &threads)[0]));
  EXPECT_EQ(evaluate(node, in)[0].values<float>()[0], 12502500.0f);  // 5000 * 5001 / 2
}

TEST(TopK, OrderOfEqualsAndNan) {
  const Tensor x = floats({5}, {1, 3, NAN, 3, 2});
  const auto y = run_op("TopK", {x, ints({3})}, {}, 2);
  EXPECT_EQ(list<int64_t>(y[1]), (Ints{2, 1, 3}));
  EXPECT_EQ(list<int64_t>(run_op("TopK", {x, ints({2})}, {{"largest", int64_t{0}}}, 2)[1]), (Ints{0, 4}));
  EXPECT_EQ(list<int64_t>(run_op("ArgMax", {floats({2, 2}, {1, 1, 0, 5})}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}})[0]),
            (Ints{0, 1}));
  EXPECT_EQ(list<int64_t>(run_op("ArgMin", {floats({2}, {1, 1})}, {{"select_last_index", int64_t{1}}})[0]), (Ints{1}));
  EXPECT_EQ(message_of("ArgMax", {x}, {{"axis", int64_t{1}}}), "node 'n' (ArgMax): axis 1 is outside a tensor of rank 1");
}

TEST(Unique, SortedOrNot) {
  const Tensor x = ints({2, 1, 1, 3, 4, 3});
  auto y = run_op("Unique", {x}, {{"sorted", int64_t{0}}}, 4);
  EXPECT_EQ(list<int64_t>(y[0]), (Ints{2, 1, 3, 4}));
  EXPECT_EQ(list<int64_t>(y[1]), (Ints{0, 1, 3, 4}));
  EXPECT_EQ(list<int64_t>(y[2]), (Ints{0, 1, 1, 2, 3, 2}));
  EXPECT_EQ(list<int64_t>(y[3]), (Ints{1, 2, 2, 1}));
  y = run_op("Unique", {floats({3, 2}, {1, 0, 1, 0, 0, 4})}, {{"axis", int64_t{0}}}, 4);
  expect_near(y[0], {0, 4, 1, 0});
}

TEST(CumSum, ReverseAndExclusive) {
  const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6}), axis = tensor<int32_t>({}, {-1});
  expect_near(run_op("CumSum", {x, axis})[0], {1, 3, 6, 4, 9, 15});
  expect_near(run_op("CumSum", {x, axis}, {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}})[0], {5, 3, 0, 11, 6, 0});
}

TEST(Binary, PowModAndShifts) {
  expect_near(run_op("Pow", {floats({3}, {2, 3, 4}), ints({2})})[0], {4, 9, 16});
  EXPECT_EQ(list<int32_t>(run_op("Pow", {tensor<int32_t>({2}, {-2, 3}), floats({}, {3})})[0]), (std::vector<int32_t>{-8, 27}));
  EXPECT_EQ(list<int64_t>(run_op("Mod", {ints({-4, 7, 5}), ints({3, -3, 0})})[0]), (Ints{2, -2, 0}));
  EXPECT_EQ(list<int64_t>(run_op("Mod", {ints({-4, 7}), ints({3, -3})}, {{"fmod", int64_t{1}}})[0]), (Ints{-1, 1}));
  EXPECT_EQ(message_of("Mod", {counting({1}), counting({1})}), "node 'n' (Mod): float operands want fmod=1");
  const Tensor bytes = tensor<uint8_t>({2}, {129, 4});
  EXPECT_EQ(list<uint8_t>(run_op("BitShift", {bytes, tensor<uint8_t>({}, {1})}, {{"direction", std::string("LEFT")}})[0]),
            (std::vector<uint8_t>{2, 8}));
  EXPECT_EQ(list<uint8_t>(run_op("BitwiseNot", {bytes})[0]), (std::vector<uint8_t>{126, 251}));
  EXPECT_EQ(list<int64_t>(run_op("BitwiseXor", {ints({5, -1}), ints({1, 1})})[0]), (Ints{4, -2}));
}

TEST(Binary, ComparisonsAndLogic) {
  const Tensor a = floats({3}, {1, NAN, 3}), b = floats({}, {1});
  EXPECT_EQ(list<bool>(run_op("Equal", {a, b})[0]), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(list<bool>(run_op("GreaterOrEqual", {a, b})[0]), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(list<bool>(run_op("Equal", {Tensor::of_strings({2}, {"a", "b"}), Tensor::of_strings({}, {"b"})})[0]),
            (std::vector<bool>{false, true}));
  EXPECT_EQ(list<bool>(run_op("Xor", {tensor<bool>({2}, {true, false}), tensor<bool>({}, {true})})[0]),
            (std::vector<bool>{false, true}));
  EXPECT_EQ(message_of("And", {a, a}), "node 'n' (And): operands are f32 and f32, wanted bool");
}

TEST(Variadic, FoldsWithBroadcasting) {
  const Tensor a = floats({2, 1}, {1, 4}), b = floats({2}, {2, 3}), c = floats({}, {NAN});
  expect_near(run_op("Sum", {a, b, b})[0], {5, 7, 8, 10});
  expect_near(run_op("Mean", {a, b})[0], {1.5f, 2, 3, 3.5f});
  expect_near(run_op("Max", {a, b})[0], {2, 3, 4, 4});
  EXPECT_TRUE(std::isnan(run_op("Min", {b, c})[0].values<float>()[0]));
  EXPECT_EQ(message_of("Max", {a, ints({1})}), "node 'n' (Max): operand 1 is i64, the first is f32");
}

TEST(Det, BatchesOfMatrices) {
  expect_near(run_op("Det", {floats({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})})[0], {-2, -1});
  EXPECT_EQ(message_of("Det", {counting({2, 3})}), "node 'n' (Det): input has shape [2,3], wanted square matrices");
}

TEST(Signal, TransformAndItsInverse) {
  for (const int64_t size : {1, 2, 6, 7, 16}) {
    const Tensor x = counting({1, size, 1}, 1);
    const Tensor y = run_op("DFT", {x})[0];
    EXPECT_NEAR(y.values<float>()[0], static_cast<float>(size * (size + 1)) / 2, 1e-4f);  // the sum
    const auto back = list<float>(run_op("DFT", {y}, {{"inverse", int64_t{1}}})[0]);
    for (size_t i = 0; i < static_cast<size_t>(size); ++i) EXPECT_NEAR(back[2 * i], static_cast<float>(i + 1), 1e-5f);
  }
  expect_near(run_op("HannWindow", {ints({4})})[0], {0, 0.5f, 1, 0.5f});
  EXPECT_EQ(message_of("DFT", {counting({4})}), "node 'n' (DFT): the signal has shape [4], wanted [...,n,1] or [...,n,2]");
}

TEST(Loss, IgnoredPlacesCountForNothing) {
  const Tensor scores = floats({2, 2}, {0, 0, 5, 5}), classes = ints({1, -1});
  const Attributes ignore = {{"ignore_index", int64_t{-1}}};
  expect_near(run_op("SoftmaxCrossEntropyLoss", {scores, classes}, ignore)[0], {0.6931472f});
  expect_near(run_op("NegativeLogLikelihoodLoss", {scores, ints({0, 1}), floats({2}, {1, 3})})[0], {-3.75f});
  EXPECT_EQ(message_of("NegativeLogLikelihoodLoss", {scores, ints({0, 2})}),
            "node 'n' (NegativeLogLikelihoodLoss): label 2 is outside 2 classes");
}

TEST(NonMaxSuppression, DropsTheLowerOfTwoThatOverlap) {
  const Tensor boxes = floats({1, 3, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 5, 1, 6}), scores = floats({1, 1, 3}, {0.8f, 0.9f, 0.3f});
  const auto y = run_op("NonMaxSuppression", {boxes, scores, ints({3}), floats({}, {0.5f}), floats({}, {0})})[0];
  EXPECT_EQ(list<int64_t>(y), (Ints{0, 0, 1, 0, 0, 2}));
}

}  // namespace
}  // namespace bitwright
