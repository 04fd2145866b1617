// GridSample (2-D and 3-D) and AffineGrid: sampling an image at given positions, where -1 and 1 are its borders.
#include <algorithm>
#include <cmath>

#include "ops/real.hpp"

namespace bitwright {
namespace {

enum class Padding { zeros, border, reflection };

struct Sampler {
  int dims;         // 2 or 3; two-dimensional images have a first extent of 1
  int64_t in[3];
  bool corners;     // align_corners
  Padding padding;
  int mode;         // 0 nearest, 1 linear, 3 cubic
};

float denormalize(float v, int64_t extent, bool corners) {
  const auto n = static_cast<float>(extent);
  return corners ? (v + 1) / 2 * (n - 1) : ((v + 1) * n - 1) / 2;
}

// Reflects between the outermost centres (corners) or edges until inside.
float reflect(float x, float low, float high) {
  const float range = high - low;
  if (range <= 0) return low;
  const float far = std::abs(x - low);
  const float flips = std::floor(far / range), rest = far - flips * range;
  return std::fmod(flips, 2.0f) == 0 ? low + rest : high - rest;
}

float placed(const Sampler& s, float x, int64_t extent) {
  const auto n = static_cast<float>(extent);
  if (s.padding == Padding::border) return std::clamp(x, 0.0f, n - 1);
  if (s.padding == Padding::reflection && (x < 0 || x > n - 1))
    return s.corners ? reflect(x, 0, n - 1) : std::clamp(reflect(x, -0.5f, n - 0.5f), s.mode == 3 ? -0.5f : 0.0f, s.mode == 3 ? n : n - 1);
  return x;
}

float pixel(const Sampler& s, const float* plane, const int64_t at[3]) {
  int64_t inside[3];
  for (int d = 0; d < 3; ++d) {
    int64_t i = at[d];
    if (i < 0 || i >= s.in[d]) {
      if (s.padding == Padding::zeros) return 0;
      if (s.padding == Padding::border) i = std::clamp<int64_t>(i, 0, s.in[d] - 1);
      if (s.padding == Padding::reflection) {
        const auto n = static_cast<float>(s.in[d]);
        const float r = s.corners ? reflect(static_cast<float>(i), 0, n - 1) : reflect(static_cast<float>(i), -0.5f, n - 0.5f);
        i = std::clamp<int64_t>(static_cast<int64_t>(std::nearbyint(r)), 0, s.in[d] - 1);
      }
    }
    inside[d] = i;
  }
  return plane[(inside[0] * s.in[1] + inside[1]) * s.in[2] + inside[2]];
}

void cubic_weights(float t, float w[4]) {
  constexpr float a = -0.75f;
  auto inner = [](float x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  auto outer = [](float x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  w[0] = outer(t + 1), w[1] = inner(t), w[2] = inner(1 - t), w[3] = outer(2 - t);
}

// Weights of `taps` neighbours per axis, starting at first[d].
struct Neighbours {
  int64_t first[3];
  float weights[3][4];
  int taps[3];
};

Neighbours neighbours(const Sampler& s, const float x[3]) {
  Neighbours n{};
  for (int d = 0; d < 3; ++d) {
    n.taps[d] = 1;
    n.weights[d][0] = 1;
    if (d < 3 - s.dims) continue;
    const float below = std::floor(x[d]), t = x[d] - below;
    if (s.mode == 0) {
      n.first[d] = static_cast<int64_t>(std::nearbyint(x[d]));
    } else if (s.mode == 1) {
      n.first[d] = static_cast<int64_t>(below);
      n.taps[d] = 2;
      n.weights[d][0] = 1 - t, n.weights[d][1] = t;
    } else {
      n.first[d] = static_cast<int64_t>(below) - 1;
      n.taps[d] = 4;
      cubic_weights(t, n.weights[d]);
    }
  }
  return n;
}

float sample(const Sampler& s, const float* plane, const Neighbours& n) {
  float sum = 0;
  for (int a = 0; a < n.taps[0]; ++a)
    for (int b = 0; b < n.taps[1]; ++b)
      for (int e = 0; e < n.taps[2]; ++e) {
        const int64_t at[3] = {n.first[0] + a, n.first[1] + b, n.first[2] + e};
        sum += n.weights[0][a] * n.weights[1][b] * n.weights[2][e] * pixel(s, plane, at);
      }
  return sum;
}

Sampler read_sampler(const OpContext& c) {
  const Shape &x = c.input(0).shape(), &grid = c.input(1).shape();
  const auto dims = std::ssize(x) - 2;
  if (dims != 2 && dims != 3) c.unsupported(str("an image of shape ", to_string(x)));
  if (grid.size() != x.size() || grid[0] != x[0] || grid.back() != dims)
    c.malformed(str("grid ", to_string(grid), " does not fit the image ", to_string(x)));
  Sampler s{static_cast<int>(dims), {1, 1, 1}, c.node().attr_int("align_corners", 0) != 0, Padding::zeros, 1};
  for (int64_t d = 0; d < dims; ++d) s.in[3 - dims + d] = x[static_cast<size_t>(2 + d)];
  const std::string mode = c.node().attr_string("mode", "linear"), padding = c.node().attr_string("padding_mode", "zeros");
  if (mode == "nearest") s.mode = 0;
  else if (mode == "cubic" || mode == "bicubic") s.mode = 3;
  else if (mode != "linear" && mode != "bilinear") c.malformed(str("mode '", mode, "' is not known"));
  if (padding == "border") s.padding = Padding::border;
  else if (padding == "reflection") s.padding = Padding::reflection;
  else if (padding != "zeros") c.malformed(str("padding_mode '", padding, "' is not known"));
  return s;
}

void run_grid_sample(OpContext& c) {
  const Sampler s = read_sampler(c);
  const Shape &x_shape = c.input(0).shape(), &grid_shape = c.input(1).shape();
  Shape shape = {x_shape[0], x_shape[1]};
  shape.insert(shape.end(), grid_shape.begin() + 1, grid_shape.end() - 1);
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), grid(c, 1);
  const int64_t channels = shape[1], points = y.elements() / (shape[0] * channels);
  const int64_t plane = s.in[0] * s.in[1] * s.in[2];
  if (plane == 0) c.malformed("the image is empty");
  float* to = y.data();
  c.parallel(shape[0] * points, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float at[3] = {0, 0, 0};
      for (int d = 0; d < s.dims; ++d) {  // the grid lists x first, the image has it last
        const int64_t extent = s.in[2 - d];
        const float v = denormalize(grid.data[i * s.dims + d], extent, s.corners);
        at[2 - d] = std::isfinite(v) && std::abs(v) < 1e9f ? (s.mode == 3 ? v : placed(s, v, extent)) : -1e9f;
      }
      const Neighbours n = neighbours(s, at);
      for (int64_t ch = 0; ch < channels; ++ch)
        to[(i / points * channels + ch) * points + i % points] =
            sample(s, x.data + (i / points * channels + ch) * plane, n);
    }
  });
  y.finish();
}

// theta [N, d, d+1] times the grid of positions of an image of `size` = [N, C, spatial...].
void run_affine_grid(OpContext& c) {
  const std::vector<int64_t> size = values_as_int(c.data(1));
  const auto dims = std::ssize(size) - 2;
  const Shape& theta_shape = c.input(0).shape();
  if ((dims != 2 && dims != 3) || theta_shape != Shape{size[0], dims, dims + 1})
    c.malformed(str("theta ", to_string(theta_shape), " does not fit size ", to_string(size)));
  Shape shape = {size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.push_back(dims);
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput theta(c, 0);
  const bool corners = c.node().attr_int("align_corners", 0) != 0;
  const int64_t points = y.elements() / dims / size[0];
  for (int64_t i = 0; i < size[0] * points; ++i) {
    float position[4] = {1, 1, 1, 1};  // x, y, (z), 1
    int64_t rest = i % points;
    for (int64_t d = 0; d < dims; ++d) {
      const int64_t extent = shape[static_cast<size_t>(dims - d)];
      const auto at = static_cast<float>(rest % extent), n = static_cast<float>(extent);
      rest /= extent;
      position[d] = corners ? (extent > 1 ? 2 * at / (n - 1) - 1 : 0) : (2 * at + 1) / n - 1;
    }
    position[dims] = 1;
    for (int64_t d = 0; d < dims; ++d) {
      const float* row = theta.data + (i / points * dims + d) * (dims + 1);
      float sum = 0;
      for (int64_t k = 0; k <= dims; ++k) sum += row[k] * position[k];
      y.data()[i * dims + d] = sum;
    }
  }
  y.finish();
}

// Opset 16 called the modes bilinear and bicubic; both spellings are read, canonical is linear and cubic.
void upgrade_grid_sample(UpgradeContext& u) {
  const std::string mode = u.node.attr_string("mode", "linear");
  if (mode == "bilinear") u.node.attributes["mode"] = std::string("linear");
  if (mode == "bicubic") u.node.attributes["mode"] = std::string("cubic");
}

bool downgrade_grid_sample(UpgradeContext& u) {
  const std::string mode = u.node.attr_string("mode", "linear");
  if (mode == "linear") u.node.attributes["mode"] = std::string("bilinear");
  if (mode == "cubic") u.node.attributes["mode"] = std::string("bicubic");
  return u.opset >= 16;
}

const Op kOps[] = {
    {.name = "GridSample", .min_inputs = 2, .max_inputs = 2, .since = 20, .run = run_grid_sample,
     .upgrade = upgrade_grid_sample, .downgrade = downgrade_grid_sample},
    {.name = "AffineGrid", .min_inputs = 2, .max_inputs = 2, .since = 20, .run = run_affine_grid},
};

}  // namespace

std::span<const Op> ops_grid_sample() { return kOps; }

}  // namespace bitwright
