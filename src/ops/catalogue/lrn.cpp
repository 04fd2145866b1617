// LRN, LpNormalization and MeanVarianceNormalization: no learned parameters.
#include <algorithm>
#include <cmath>

#include "ops/real.hpp"

namespace bitwright {
namespace {

// y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta
void run_lrn(OpContext& c) {
  const Shape shape = c.input(0).shape();
  const int64_t size = c.node().attr_int("size", 0);
  if (shape.size() < 2) c.malformed(str("input has shape ", to_string(shape), ", wanted [N,C,...]"));
  if (size < 1) c.malformed("size must be at least 1");
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const float alpha = c.node().attr_float("alpha", 1e-4f) / static_cast<float>(size);
  const float beta = c.node().attr_float("beta", 0.75f), bias = c.node().attr_float("bias", 1);
  const int64_t channels = shape[1], plane = y.elements() / (shape[0] * channels);
  float* to = y.data();
  c.parallel(shape[0] * channels, 4, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t ch = p % channels, first = std::max<int64_t>(0, ch - (size - 1) / 2);
      const int64_t last = std::min(channels - 1, ch + size / 2);
      for (int64_t i = 0; i < plane; ++i) {
        float sum = 0;
        for (int64_t n = first; n <= last; ++n) {
          const float v = x.data[(p - ch + n) * plane + i];
          sum += v * v;
        }
        to[p * plane + i] = x.data[p * plane + i] / std::pow(bias + alpha * sum, beta);
      }
    }
  });
  y.finish();
}

void run_lp_norm(OpContext& c) {
  const Shape shape = c.input(0).shape();
  const int64_t p = c.node().attr_int("p", 2);
  if (p != 1 && p != 2) c.malformed(str("p is ", p, ", wanted 1 or 2"));
  const auto axis = static_cast<size_t>(normal_axis(c, c.node().attr_int("axis", -1), std::ssize(shape)));
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const int64_t stride = strides_of(shape)[axis], extent = shape[axis];
  for (int64_t row = 0; row < y.elements() / extent; ++row) {
    const int64_t start = row / stride * stride * extent + row % stride;
    double sum = 0;
    for (int64_t i = 0; i < extent; ++i) {
      const auto v = static_cast<double>(x.data[start + i * stride]);
      sum += p == 1 ? std::abs(v) : v * v;
    }
    const auto norm = static_cast<float>(p == 1 ? sum : std::sqrt(sum));
    for (int64_t i = 0; i < extent; ++i) y.data()[start + i * stride] = x.data[start + i * stride] / norm;
  }
  y.finish();
}

// (x - mean) / (deviation + 1e-9) over `axes`.
void run_mean_variance(OpContext& c) {
  const Shape shape = c.input(0).shape();
  Shape kept = shape;
  for (const int64_t axis : c.node().attr_ints("axes", {0, 2, 3}))
    kept[static_cast<size_t>(normal_axis(c, axis, std::ssize(shape)))] = 1;
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const Shape strides = strides_of(kept);
  auto group = [&](int64_t i) {
    int64_t at = 0;
    for (size_t d = shape.size(); d-- > 0; i /= shape[d]) at += kept[d] == 1 ? 0 : i % shape[d] * strides[d];
    return static_cast<size_t>(at);
  };
  const auto groups = static_cast<size_t>(elements_of(kept));
  std::vector<double> sum(groups), squares(groups);
  for (int64_t i = 0; i < y.elements(); ++i) sum[group(i)] += static_cast<double>(x.data[i]);
  const double count = static_cast<double>(y.elements()) / static_cast<double>(groups);
  auto centred = [&](int64_t i) { return static_cast<double>(x.data[i]) - sum[group(i)] / count; };
  for (int64_t i = 0; i < y.elements(); ++i) squares[group(i)] += centred(i) * centred(i);
  for (int64_t i = 0; i < y.elements(); ++i)
    y.data()[i] = static_cast<float>(centred(i) / (std::sqrt(squares[group(i)] / count) + 1e-9));
  y.finish();
}

const Op kOps[] = {
    {.name = "LRN", .run = run_lrn},
    {.name = "LpNormalization", .run = run_lp_norm},
    {.name = "MeanVarianceNormalization", .since = 9, .run = run_mean_variance},
};

}  // namespace

std::span<const Op> ops_lrn() { return kOps; }

}  // namespace bitwright
