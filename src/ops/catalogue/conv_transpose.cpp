// ConvTranspose: the gradient of a convolution by its input. Columns W^T x are one product per group; they are then added
// to the output, in the order feature, tap. Quantized: weights [C, M/group, kernel...] per output channel, axis 1.
#include <algorithm>

#include "ops/gemm.hpp"
#include "ops/real.hpp"
#include "ops/window.hpp"

namespace bitwright {
namespace {

struct Problem {
  Window w;
  int64_t batch, channels, groups, features;
};

Problem read_problem(const OpContext& c) {
  const Shape &x = c.input(0).shape(), &weights = c.input(1).shape();
  if (weights.size() != x.size() || x.size() < 3)
    c.malformed(str("input ", to_string(x), " and weights ", to_string(weights), " do not fit"));
  Problem p{read_transposed_window(c, x, Shape(weights.begin() + 2, weights.end())), x[0], x[1], c.node().attr_int("group", 1), 0};
  if (p.groups < 1 || p.channels % p.groups != 0 || weights[0] != p.channels)
    c.malformed(str("weights ", to_string(weights), " do not fit ", p.channels, " input channels in ", p.groups,
                    " groups"));
  p.features = weights[1] * p.groups;
  if (c.has(2) && c.input(2).shape() != Shape{p.features})
    c.malformed(str("the bias has shape ", to_string(c.input(2).shape()), ", wanted [", p.features, "]"));
  return p;
}

// Adds the columns [taps, in_size] of one feature to its output plane.
void fold(const float* columns, const Window& w, float* y) {
  const int64_t in = w.in_size();
  for (int64_t tap = 0; tap < w.taps(); ++tap) {
    const Window::Dims t = Window::split(tap, w.kernel);
    for (int64_t i = 0; i < in; ++i) {
      const Window::Dims at = Window::split(i, w.in);
      const int64_t d = w.source(0, at[0], t[0]), h = w.source(1, at[1], t[1]), v = w.source(2, at[2], t[2]);
      if (d >= 0 && d < w.out[0] && h >= 0 && h < w.out[1] && v >= 0 && v < w.out[2])
        y[(d * w.out[1] + h) * w.out[2] + v] += columns[tap * in + i];
    }
  }
}

void run_conv_transpose(OpContext& c) {
  const Problem p = read_problem(c);
  Shape shape = {p.batch, p.features};
  for (const int64_t extent : p.w.out_shape()) shape.push_back(extent);
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), weights(c, 1);
  const int64_t in = p.w.in_size(), out = p.w.out_size(), taps = p.w.taps();
  const int64_t channels = p.channels / p.groups, features = p.features / p.groups, rows = features * taps;
  std::vector<float> columns(static_cast<size_t>(rows * in));
  float* to = y.data();
  for (int64_t g = 0; g < p.groups; ++g) {
    const PackedRows w = pack_rows(weights.data + g * channels * rows, rows, channels, 1, rows);
    for (int64_t n = 0; n < p.batch; ++n) {
      gemm(c, w, in, pack_from(x.data + (n * p.channels + g * channels) * in, channels, in, 1), columns.data(), in);
      c.parallel(features, 1, [&](int64_t begin, int64_t end) {
        for (int64_t f = begin; f < end; ++f) {
          float* plane = to + (n * p.features + g * features + f) * out;
          std::fill_n(plane, out, 0.0f);
          fold(columns.data() + f * taps * in, p.w, plane);
        }
      });
    }
  }
  if (c.has(2)) {
    const RealInput bias(c, 2);
    for (int64_t i = 0; i < y.elements(); ++i) to[i] += bias.data[i / out % p.features];
  }
  y.finish();
}

const QuantRule kLinear = {.kind = QuantRule::Kind::linear, .weight_input = 1, .bias_input = 2, .weight_axis = 1};

const Op kOps[] = {
    {.name = "ConvTranspose", .min_inputs = 2, .max_inputs = 3, .run = run_conv_transpose, .quant = kLinear},
};

}  // namespace

std::span<const Op> ops_conv_transpose() { return kOps; }

}  // namespace bitwright
