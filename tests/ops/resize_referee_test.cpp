// Resize against ONNX Runtime's results (resize_cases.txt, written by ../referee/resize.py): which element `nearest` takes is
// decided by float32 coordinates, and at ties by their last bit, so nearest must agree exactly.
#include <cmath>
#include <fstream>
#include <sstream>

#include "helpers.hpp"

namespace bitwright {
namespace {

struct Case {
  Attributes attributes;
  std::vector<Tensor> inputs;
  std::vector<float> wanted;
  Shape shape;
  float tolerance = 0;
};

Case read_case(const std::string& line) {
  std::istringstream in(line);
  std::string mode, coordinates, nearest, policy, kind, numbers[2];
  int64_t exclude = 0, antialias = 0, h = 0, w = 0;
  float roi[4];
  Case c;
  c.shape = {1, 1, 0, 0};
  in >> mode >> coordinates >> nearest >> exclude >> antialias >> policy >> kind >> numbers[0] >> numbers[1] >> h >> w;
  for (float& v : roi) in >> v;
  in >> c.shape[2] >> c.shape[3];
  for (float v; in >> v;) c.wanted.push_back(v);
  c.attributes = {{"mode", mode}, {"coordinate_transformation_mode", coordinates}, {"nearest_mode", nearest},
                  {"exclude_outside", exclude}, {"antialias", antialias}, {"keep_aspect_ratio_policy", policy},
                  {"axes", Ints{2, 3}}, {"extrapolation_value", -7.0f}};
  Tensor x(DType::f32, {1, 1, h, w});
  for (int64_t i = 0; i < h * w; ++i) x.values<float>()[static_cast<size_t>(i)] = static_cast<float>(i * 37 % 101);
  const double a = std::strtod(numbers[0].c_str(), nullptr), b = std::strtod(numbers[1].c_str(), nullptr);
  const bool by_size = kind == "sizes";
  c.inputs = {x, floats({4}, {roi[0], roi[1], roi[2], roi[3]}),
              by_size ? Tensor() : floats({2}, {static_cast<float>(a), static_cast<float>(b)}),
              by_size ? tensor<int64_t>({2}, {std::lround(a), std::lround(b)}) : Tensor()};
  c.tolerance = mode == "nearest" ? 0 : 1e-5f * 100;  // relative to x, which reaches 100
  return c;
}

TEST(Resize, AgreesWithOnnxRuntime) {
  std::ifstream file(BW_SOURCE_DIR "/tests/ops/resize_cases.txt");
  int64_t cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const Case c = read_case(line);
    const Tensor y = evaluate(make_node("Resize", 4, c.attributes), c.inputs)[0];
    SCOPED_TRACE(line.substr(0, line.find(' ', 100)));
    EXPECT_EQ(y.shape(), c.shape);
    if (y.shape() == c.shape) expect_near(y, c.wanted, c.tolerance);
  }
  EXPECT_GT(cases, 100);
}

}  // namespace
}  // namespace bitwright
