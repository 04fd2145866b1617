// Detection, unpooling, losses, audio front ends: small cases by hand; the ONNX node tests cover the options.
#include <cmath>

#include "helpers.hpp"

namespace bitwright {
namespace {

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  const Tensor boxes = floats({1, 3, 4}, {0, 0, 1, 1, 0, 0, 1, 0.9f, 2, 2, 3, 3}), scores = floats({1, 1, 3}, {0.5f, 0.9f, 0.2f});
  const Tensor most = Tensor::scalar<int64_t>(9), overlap = Tensor::scalar(0.5f);
  EXPECT_EQ(list<int64_t>(run_op("NonMaxSuppression", {boxes, scores, most, overlap})[0]), (Ints{0, 0, 1, 0, 0, 2}));
  EXPECT_EQ(list<int64_t>(run_op("NonMaxSuppression", {boxes, scores, most, overlap, Tensor::scalar(0.3f)})[0]),
            (Ints{0, 0, 1}));
  EXPECT_EQ(run_op("NonMaxSuppression", {boxes, scores})[0].shape(), (Shape{0, 3}));
  EXPECT_EQ(message_of("NonMaxSuppression", {boxes, floats({1, 1, 2}, {1, 2})}),
            "node 'n' (NonMaxSuppression): boxes [1,3,4] and scores [1,1,2] do not fit");
}

TEST(RoiAlign, AveragesInsideTheRegion) {
  const Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4}), roi = floats({1, 4}, {0, 0, 2, 2}), image = tensor<int64_t>({1}, {0});
  expect_near(run_op("RoiAlign", {x, roi, image}, {{"sampling_ratio", int64_t{2}}})[0], {2.5});
  EXPECT_EQ(message_of("RoiAlign", {x, roi, tensor<int64_t>({1}, {1})}),
            "node 'n' (RoiAlign): batch index 1 is outside 1 images");
}

TEST(MaxRoiPool, RoundsToWholePixels) {
  const Tensor x = counting({1, 1, 4, 4}), roi = floats({1, 5}, {0, 0, 0, 3, 1});
  expect_near(run_op("MaxRoiPool", {x, roi}, {{"pooled_shape", Ints{1, 2}}})[0], {5, 7});
}

TEST(MaxUnpool, UndoesMaxPool) {
  const Tensor x = floats({1, 1, 2, 2}, {1, 5, 7, 2});
  const Attributes a = {{"kernel_shape", Ints{2, 2}}};
  const auto pooled = run_op("MaxPool", {x}, a, 2);
  expect_near(run_op("MaxUnpool", {pooled[0], pooled[1]}, a)[0], {0, 0, 7, 0});
  EXPECT_EQ(message_of("MaxUnpool", {pooled[0], tensor<int64_t>({1, 1, 1, 1}, {4})}, a),
            "node 'n' (MaxUnpool): index 4 is outside [1,1,2,2]");
}

TEST(DeformConv, OffsetsMoveTheTaps) {
  const Tensor x = counting({1, 1, 2, 2}), w = floats({1, 1, 1, 1}, {1});
  Tensor offset(DType::f32, {1, 2, 2, 2});
  expect_near(run_op("DeformConv", {x, w, offset})[0], {0, 1, 2, 3});
  offset.values<float>()[4] = 0.5f;  // the first output looks half a pixel to the right
  expect_near(run_op("DeformConv", {x, w, offset})[0], {0.5, 1, 2, 3});
}

TEST(Loss, WeightsAndIgnoredLabels) {
  const Tensor log_p = floats({3, 2}, {-1, -2, -3, -4, -5, -6}), labels = tensor<int64_t>({3}, {0, 1, -1});
  const Tensor weights = floats({2}, {1, 3});
  const Attributes ignore = {{"ignore_index", int64_t{-1}}};
  expect_near(run_op("NegativeLogLikelihoodLoss", {log_p, labels, weights}, ignore)[0], {13.0f / 4});
  EXPECT_EQ(message_of("NegativeLogLikelihoodLoss", {log_p, labels}),
            "node 'n' (NegativeLogLikelihoodLoss): label -1 is outside 2 classes");
  const auto out = run_op("SoftmaxCrossEntropyLoss", {floats({1, 2}, {0, 0}), tensor<int64_t>({1}, {1})}, {}, 2);
  expect_near(out[0], {std::log(2.0f)});
  expect_near(out[1], {-std::log(2.0f), -std::log(2.0f)});
}

TEST(Signal, TransformOfACosineAndBack) {
  Tensor x(DType::f32, {1, 8, 1});
  for (size_t i = 0; i < 8; ++i) x.values<float>()[i] = std::cos(static_cast<float>(i) * 0.78539816f);
  const Tensor half = run_op("DFT", {x}, {{"onesided", int64_t{1}}})[0];
  EXPECT_EQ(half.shape(), (Shape{1, 5, 2}));
  expect_near(half, {0, 0, 4, 0, 0, 0, 0, 0, 0, 0});
  const Tensor whole = run_op("DFT", {x})[0], back = run_op("DFT", {whole}, {{"inverse", int64_t{1}}})[0];
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(back.values<float>()[2 * i], x.values<float>()[i], 1e-6);
  const Tensor frames = run_op("STFT", {x, Tensor::scalar<int64_t>(4), Tensor(), Tensor::scalar<int64_t>(4)})[0];
  EXPECT_EQ(frames.shape(), (Shape{1, 2, 3, 2}));
  expect_near(run_op("HannWindow", {Tensor::scalar<int64_t>(4)})[0], {0, 0.5, 1, 0.5});
  EXPECT_EQ(message_of("STFT", {x, Tensor::scalar<int64_t>(4)}),
            "node 'n' (STFT): neither window nor frame_length is given");
}

}  // namespace
}  // namespace bitwright
