// Resize, GridSample and what moves images about.
#include "helpers.hpp"

namespace bitwright {
namespace {

Attributes style(const char* mode, const char* coordinates) {
  return {{"mode", std::string(mode)}, {"coordinate_transformation_mode", std::string(coordinates)}};
}

TEST(Resize, NearestAndLinear) {
  const Tensor x = floats({1, 1, 1, 2}, {1, 3}), scales = floats({4}, {1, 1, 1, 2});
  expect_near(run_op("Resize", {x, Tensor(), scales})[0], {1, 1, 3, 3});
  expect_near(run_op("Resize", {x, Tensor(), scales}, style("linear", "half_pixel"))[0], {1, 1.5, 2.5, 3});
  expect_near(run_op("Resize", {x, Tensor(), scales}, style("linear", "asymmetric"))[0], {1, 2, 3, 3});
  const Tensor sizes = tensor<int64_t>({4}, {1, 1, 1, 3});
  expect_near(run_op("Resize", {x, Tensor(), Tensor(), sizes}, style("linear", "align_corners"))[0], {1, 2, 3});
}

TEST(Resize, IntegersKeepTheirTypeAndRange) {
  const Tensor x = tensor<uint8_t>({1, 4}, {0, 255, 255, 0}), scales = floats({2}, {1, 2});
  const Tensor near = run_op("Resize", {x, Tensor(), scales})[0];
  EXPECT_EQ(list<uint8_t>(near), (std::vector<uint8_t>{0, 0, 255, 255, 255, 255, 0, 0}));
  const auto cubic = list<uint8_t>(run_op("Resize", {x, Tensor(), scales}, style("cubic", "half_pixel"))[0]);
  EXPECT_EQ(cubic[3], 255);  // the cubic overshoots
}

TEST(Resize, Rejections) {
  const Tensor x(DType::f32, {1, 2});
  EXPECT_EQ(message_of("Resize", {x}), "node 'n' (Resize): neither scales nor sizes are given");
  EXPECT_EQ(message_of("Resize", {x, Tensor(), floats({2}, {1, -1})}),
            "node 'n' (Resize): cannot resize an axis of 2 by -1");
}

TEST(GridSample, BordersAndCentre) {
  const Tensor x = floats({1, 1, 1, 3}, {1, 2, 4}), grid = floats({1, 1, 3, 2}, {-1, 0, 0, 0, 1, 0});
  expect_near(run_op("GridSample", {x, grid}, {{"align_corners", int64_t{1}}})[0], {1, 2, 4});
  expect_near(run_op("GridSample", {x, grid})[0], {0.5, 2, 2});  // half outside, where it is 0
  expect_near(run_op("GridSample", {x, grid}, {{"padding_mode", std::string("border")}})[0], {1, 2, 4});
}

TEST(CenterCropPad, OddOnesGoToTheEnd) {
  const Tensor x = floats({4}, {1, 2, 3, 4});
  expect_near(run_op("CenterCropPad", {x, tensor<int64_t>({1}, {1})})[0], {2});
  expect_near(run_op("CenterCropPad", {x, tensor<int64_t>({1}, {7})})[0], {0, 1, 2, 3, 4, 0, 0});
}

}  // namespace
}  // namespace bitwright
