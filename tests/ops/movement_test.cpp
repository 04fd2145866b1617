#include "helpers.hpp"

namespace bitwright {
namespace {

Tensor ints(std::initializer_list<int64_t> v) { return tensor<int64_t>({static_cast<int64_t>(v.size())}, v); }

TEST(Reshape, CopiesInfersAndRejects) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(run_op("Reshape", {x, ints({0, -1})})[0].shape(), (Shape{2, 12}));
  EXPECT_EQ(run_op("Reshape", {Tensor(DType::f32, {0, 3}), ints({3, 0})}, {{"allowzero", int64_t{1}}})[0].shape(),
            (Shape{3, 0}));
  EXPECT_EQ(message_of("Reshape", {x, ints({5, -1})}), "node 'n' (Reshape): cannot reshape [2,3,4] to [5,-1]");
  EXPECT_EQ(message_of("Reshape", {x, ints({-1, -1})}), "node 'n' (Reshape): cannot reshape to [-1,-1]");
  EXPECT_EQ(message_of("Reshape", {x, ints({7})}), "node 'n' (Reshape): cannot reshape [2,3,4] to [7]");
}

TEST(Reshape, NeedsTheShapesContents) {
  const Node node = make_node("Reshape", 2);
  std::vector<Tensor> out;
  EXPECT_FALSE(infer_outputs(node, std::vector<Tensor>{counting({4}), Tensor::described(DType::i64, {1})}, out));
}

TEST(Flatten, NegativeAxisAndScalars) {
  EXPECT_EQ(run_op("Flatten", {counting({2, 3, 4})}, {{"axis", int64_t{-1}}})[0].shape(), (Shape{6, 4}));
  EXPECT_EQ(run_op("Flatten", {counting({})}, {{"axis", int64_t{0}}})[0].shape(), (Shape{1, 1}));
}

TEST(Squeeze, AxesFromTheEnd) {
  const Tensor x = counting({1, 3, 1});
  EXPECT_EQ(run_op("Squeeze", {x})[0].shape(), Shape{3});
  EXPECT_EQ(run_op("Squeeze", {x, ints({-1})})[0].shape(), (Shape{1, 3}));
  EXPECT_EQ(message_of("Squeeze", {x, ints({1})}), "node 'n' (Squeeze): axis 1 of [1,3,1] is not 1");
  EXPECT_EQ(run_op("Unsqueeze", {counting({3}), ints({-1, 0})})[0].shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(message_of("Unsqueeze", {x, ints({0, 0})}), "node 'n' (Unsqueeze): axis 0 is named twice");
}

TEST(Shape, IsKnownWithoutContents) {
  std::vector<Tensor> out;
  Node node = make_node("Shape", 1, {{"start", int64_t{-2}}});
  ASSERT_TRUE(infer_outputs(node, std::vector<Tensor>{Tensor::described(DType::f32, {2, 3, 4})}, out));
  EXPECT_EQ(list<int64_t>(out[0]), (Ints{3, 4}));
}

// Every element by its index, for shapes that meet runs, tiles and their edges.
TEST(Transpose, EqualsTheDefinition) {
  for (const Shape& shape : {Shape{3, 5}, Shape{70, 33}, Shape{2, 3, 65, 4}, Shape{4, 40, 37}, Shape{1, 7, 1, 9}}) {
    const Tensor x = counting(shape);
    Ints perm;
    for (size_t d = 0; d < shape.size(); ++d) perm.push_back(static_cast<int64_t>((d + 1) % shape.size()));
    const Tensor y = run_op("Transpose", {x}, {{"perm", perm}})[0];
    const Shape from = strides_of(shape);
    for (int64_t i = 0; i < y.elements(); ++i) {
      int64_t rest = i, at = 0;
      for (size_t d = shape.size(); d-- > 0; rest /= y.shape()[d])
        at += rest % y.shape()[d] * from[static_cast<size_t>(perm[d])];
      ASSERT_EQ(y.values<float>()[static_cast<size_t>(i)], static_cast<float>(at));
    }
  }
  EXPECT_EQ(run_op("Transpose", {counting({2, 3, 4})})[0].shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(message_of("Transpose", {counting({2, 3})}, {{"perm", Ints{0, 0}}}),
            "node 'n' (Transpose): perm [0,0] names an axis twice");
}

TEST(Transpose, FourBitsAndStrings) {
  Tensor x(DType::i4, {2, 3});
  const uint8_t bytes[] = {0x21, 0x43, 0x65};  // 1 2 3 / 4 5 6
  std::copy(bytes, bytes + 3, reinterpret_cast<uint8_t*>(x.raw()));
  EXPECT_EQ(values_as_int(run_op("Transpose", {x})[0]), (Ints{1, 4, 2, 5, 3, 6}));
  const Tensor words = Tensor::of_strings({1, 2}, {"a", "b"});
  EXPECT_EQ(run_op("Transpose", {words})[0].strings()[1], "b");
}

TEST(Concat, AlongAnyAxis) {
  const Tensor a = floats({2, 1}, {1, 2}), b = floats({2, 2}, {3, 4, 5, 6});
  expect_near(run_op("Concat", {a, b}, {{"axis", int64_t{-1}}})[0], {1, 3, 4, 2, 5, 6});
  EXPECT_EQ(run_op("Concat", {a, Tensor(DType::f32, {0, 1})}, {{"axis", int64_t{0}}})[0].shape(), (Shape{2, 1}));
  EXPECT_EQ(message_of("Concat", {a, b}, {{"axis", int64_t{0}}}),
            "node 'n' (Concat): input 1 of shape [2,2] does not join [2,1] along axis 0");
}

TEST(Split, EvenUnevenAndGiven) {
  const Tensor x = counting({7});
  auto parts = run_op("Split", {x}, {{"num_outputs", int64_t{3}}}, 3);
  expect_near(parts[2], {6});
  parts = run_op("Split", {x, ints({5, 2})}, {}, 2);
  expect_near(parts[1], {5, 6});
  EXPECT_EQ(message_of("Split", {x, ints({5})}), "node 'n' (Split): cannot split 7 into 1 parts of [5]");
}

TEST(Slice, NegativeStepsAndFarBounds) {
  const Tensor x = counting({2, 5});
  expect_near(run_op("Slice", {x, ints({-1}), ints({INT64_MIN}), ints({1}), ints({-2})})[0], {4, 2, 0, 9, 7, 5});
  expect_near(run_op("Slice", {x, ints({1, 1}), ints({INT64_MAX, -1})})[0], {6, 7, 8});
  EXPECT_EQ(run_op("Slice", {x, ints({3}), ints({1}), ints({1})})[0].shape(), (Shape{2, 0}));
  EXPECT_EQ(message_of("Slice", {x, ints({0}), ints({1}), ints({0}), ints({0})}), "node 'n' (Slice): a step is 0");
}

TEST(Pad, FourModes) {
  const Tensor x = counting({3}, 1);
  auto pad = [&](const char* mode, std::initializer_list<int64_t> pads) {
    return run_op("Pad", {x, ints(pads)}, {{"mode", std::string(mode)}})[0];
  };
  expect_near(pad("constant", {2, 1}), {0, 0, 1, 2, 3, 0});
  expect_near(pad("constant", {-1, 1}), {2, 3, 0});
  expect_near(pad("edge", {2, 1}), {1, 1, 1, 2, 3, 3});
  expect_near(pad("reflect", {2, 1}), {3, 2, 1, 2, 3, 2});
  expect_near(pad("wrap", {2, 1}), {2, 3, 1, 2, 3, 1});
  expect_near(run_op("Pad", {counting({2, 1}), ints({0, 1}), floats({}, {9}), ints({-1})})[0], {0, 9, 1, 9});
  EXPECT_EQ(message_of("Pad", {x, ints({1})}), "node 'n' (Pad): 1 pads for 1 axes");
}

TEST(Expand, BothWaysAndTile) {
  expect_near(run_op("Expand", {floats({2, 1}, {1, 2}), ints({3})})[0], {1, 1, 1, 2, 2, 2});
  EXPECT_EQ(run_op("Expand", {counting({3}), ints({2, 1})})[0].shape(), (Shape{2, 3}));
  expect_near(run_op("Tile", {floats({1, 2}, {1, 2}), ints({2, 2})})[0], {1, 2, 1, 2, 1, 2, 1, 2});
  EXPECT_EQ(message_of("Tile", {counting({3}), ints({2, 1})}), "node 'n' (Tile): 2 repeats for a tensor of rank 1");
}

TEST(DepthToSpace, IsTheInverseOfSpaceToDepth) {
  const Tensor x = counting({2, 3, 4, 6});
  const Attributes block = {{"blocksize", int64_t{2}}};
  EXPECT_TRUE(identical(run_op("DepthToSpace", {run_op("SpaceToDepth", {x}, block)[0]}, block)[0], x));
  expect_near(run_op("DepthToSpace", {counting({1, 4, 1, 2})}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}})[0],
              {0, 2, 1, 3, 4, 6, 5, 7});
  EXPECT_EQ(message_of("SpaceToDepth", {counting({1, 1, 3, 2})}, block),
            "node 'n' (SpaceToDepth): [1,1,3,2] does not divide into blocks of 2");
}

TEST(Gather, IndicesOfAnyShapeAndSign) {
  const Tensor x = counting({3, 2});
  expect_near(run_op("Gather", {x, ints({-1, 0})})[0], {4, 5, 0, 1});
  EXPECT_EQ(run_op("Gather", {x, tensor<int32_t>({1, 2}, {0, 1})}, {{"axis", int64_t{1}}})[0].shape(), (Shape{3, 1, 2}));
  EXPECT_EQ(message_of("Gather", {x, ints({3})}), "node 'n' (Gather): index 3 is outside 3");
  expect_near(run_op("GatherElements", {x, tensor<int64_t>({1, 2}, {2, -3})})[0], {4, 1});
  expect_near(run_op("GatherND", {x, tensor<int64_t>({2, 1}, {1, -1})})[0], {2, 3, 4, 5});
  expect_near(run_op("GatherND", {counting({2, 3}), tensor<int64_t>({2, 1}, {2, 0})}, {{"batch_dims", int64_t{1}}})[0], {2, 3});
}

TEST(Scatter, ReplacesAndReduces) {
  const Tensor x = counting({1, 5}, 1);
  const Tensor index = tensor<int64_t>({1, 2}, {1, -1}), same = tensor<int64_t>({1, 2}, {1, 1}), v = floats({1, 2}, {10, 20});
  const Attributes axis = {{"axis", int64_t{1}}};
  expect_near(run_op("ScatterElements", {x, index, v}, axis)[0], {1, 10, 3, 4, 20});
  Attributes add = axis;
  add["reduction"] = std::string("add");
  expect_near(run_op("ScatterElements", {x, same, v}, add)[0], {1, 32, 3, 4, 5});
  expect_near(run_op("ScatterND", {counting({4}), tensor<int64_t>({2, 1}, {3, 1}), floats({2}, {7, 9})},
                     {{"reduction", std::string("max")}})[0], {0, 9, 2, 7});
  EXPECT_EQ(message_of("ScatterND", {x, tensor<int64_t>({1, 1}, {0}), v}),
            "node 'n' (ScatterND): updates have shape [1,2], wanted [1,5]");
}

TEST(Select, WhereCompressNonZero) {
  const Tensor choice = tensor<bool>({2, 1}, {true, false});
  expect_near(run_op("Where", {choice, floats({2}, {1, 2}), floats({}, {9})})[0], {1, 2, 9, 9});
  expect_near(run_op("Compress", {counting({2, 3}), tensor<bool>({2}, {false, true})}, {{"axis", int64_t{1}}})[0], {1, 4});
  EXPECT_EQ(list<int64_t>(run_op("NonZero", {floats({2, 2}, {0, 3, 0, 4})})[0]), (Ints{0, 1, 1, 1}));
  EXPECT_EQ(message_of("Where", {counting({2}), counting({2}), counting({2})}),
            "node 'n' (Where): the condition is f32, wanted bool");
}

TEST(Select, TriluKeepsOneSide) {
  const Tensor x = counting({2, 3}, 1);
  expect_near(run_op("Trilu", {x})[0], {1, 2, 3, 0, 5, 6});
  expect_near(run_op("Trilu", {x}, {{"upper", int64_t{0}}})[0], {1, 0, 0, 4, 5, 0});
  expect_near(run_op("Trilu", {x, tensor<int64_t>({}, {-9})}, {{"upper", int64_t{0}}})[0], {0, 0, 0, 0, 0, 0});
}

TEST(Select, ReverseSequenceByLength) {
  expect_near(run_op("ReverseSequence", {counting({3, 2}), ints({2, 3})})[0], {2, 5, 0, 3, 4, 1});
  EXPECT_EQ(message_of("ReverseSequence", {counting({3, 2}), ints({4, 1})}),
            "node 'n' (ReverseSequence): length 4 is outside 3");
}

TEST(Generate, RangeEyeOneHot) {
  expect_near(run_op("Range", {floats({}, {1}), floats({}, {2}), floats({}, {0.4f})})[0], {1, 1.4f, 1.8f});
  EXPECT_EQ(list<int64_t>(run_op("Range", {tensor<int64_t>({}, {3}), tensor<int64_t>({}, {-1}), tensor<int64_t>({}, {-2})})[0]),
            (Ints{3, 1}));
  EXPECT_EQ(message_of("Range", {floats({}, {1}), floats({}, {2}), floats({}, {0})}), "node 'n' (Range): delta is 0");
  expect_near(run_op("EyeLike", {counting({2, 3})}, {{"k", int64_t{1}}})[0], {0, 1, 0, 0, 0, 1});
  expect_near(run_op("OneHot", {ints({1, -1, 5}), tensor<int64_t>({}, {3}), floats({2}, {0, 7})})[0],
              {0, 7, 0, 0, 0, 7, 0, 0, 0});
}

}  // namespace
}  // namespace bitwright
