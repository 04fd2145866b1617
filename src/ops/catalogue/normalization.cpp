// Normalisations over stretches of memory: LayerNormalization, RMSNormalization, InstanceNormalization,
// GroupNormalization. Means and variances are summed in double, so that the order of summation does not show. They stay
// float when a network is quantized.
#include <cmath>

#include "ops/broadcast.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Moments {
  double mean, inverse_deviation;
};

Moments moments(const float* x, int64_t count, double epsilon, bool centred) {
  double sum = 0, squares = 0;
  if (centred)
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const double v = static_cast<double>(x[i]) - (centred ? mean : 0);
    squares += v * v;
  }
  return {centred ? mean : 0, 1 / std::sqrt(squares / static_cast<double>(count) + epsilon)};
}

// Normalises rows of `size` values; f(row, moments) reports them.
template <class F>
void normalize_rows(const OpContext& c, const float* x, int64_t rows, int64_t size, bool centred, float* y, F f) {
  const auto epsilon = static_cast<double>(c.node().attr_float("epsilon", 1e-5f));
  c.parallel(rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(size, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Moments m = moments(x + row * size, size, epsilon, centred);
      const auto mean = static_cast<float>(m.mean), factor = static_cast<float>(m.inverse_deviation);
      for (int64_t i = row * size; i < (row + 1) * size; ++i) y[i] = (x[i] - mean) * factor;
      f(row, m);
    }
  });
}

// y = y * scale (+ bias), both broadcast to y; `input` is the scale's index, the bias follows it.
void scale_and_shift(const OpContext& c, RealOutput& y, size_t input) {
  const Shape& shape = y.shape();
  for (size_t i = input; i < input + 2; ++i) {
    if (!c.has(i)) continue;
    const RealInput operand(c, i);
    const bool scale = i == input;
    broadcast_apply(c, y.data(), shape, operand.data, operand.tensor.shape(), y.data(), shape,
                    [scale](float v, float w) { return scale ? v * w : v + w; });
  }
}

// Inputs: x, scale [of the normalised axes], bias. Outputs: y, mean, inverse deviation.
void run_over_trailing_axes(OpContext& c, bool centred) {
  const Shape shape = c.input(0).shape();
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", -1), std::ssize(shape));
  Shape kept = shape;
  for (size_t d = static_cast<size_t>(axis); d < kept.size(); ++d) kept[d] = 1;
  for (size_t i = 1; i < 3; ++i)
    if (c.has(i) && broadcast_shapes(c, c.input(i).shape(), shape) != shape)
      c.malformed(str("input ", i, " ", to_string(c.input(i).shape()), " does not broadcast to ", to_string(shape)));
  if (c.node().attr_int("stash_type", 1) != 1) c.unsupported("stash_type other than 1 (f32)");
  RealOutput y(c, 0, real_type(c, 0), shape);
  Tensor mean = centred && c.wants(1) ? c.output(1, DType::f32, kept) : Tensor();
  Tensor deviation = centred && c.wants(2) ? c.output(2, DType::f32, kept) : Tensor();
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const int64_t rows = elements_of(kept), size = y.elements() / rows;
  normalize_rows(c, x.data, rows, size, centred, y.data(), [&](int64_t row, const Moments& m) {
    if (!mean.empty()) mean.values<float>()[static_cast<size_t>(row)] = static_cast<float>(m.mean);
    if (!deviation.empty())
      deviation.values<float>()[static_cast<size_t>(row)] = static_cast<float>(m.inverse_deviation);
  });
  scale_and_shift(c, y, 1);
  y.finish();
}

void run_layer_norm(OpContext& c) { run_over_trailing_axes(c, true); }
void run_rms_norm(OpContext& c) { run_over_trailing_axes(c, false); }

// y[n, ch, ...] = normalised over `groups` of channels, times scale, plus bias. Parameters are per channel or, as opset
// 18 had it, per group.
void normalize_groups(OpContext& c, int64_t groups) {
  const Shape shape = c.input(0).shape();
  if (shape.size() < 2) c.malformed(str("input has shape ", to_string(shape), ", wanted [N,C,...]"));
  const int64_t channels = shape[1];
  if (groups < 1 || channels % groups != 0) c.malformed(str(channels, " channels cannot be cut into ", groups, " groups"));
  for (size_t i = 1; i < 3; ++i)
    if (c.input(i).shape() != Shape{channels} && c.input(i).shape() != Shape{groups})
      c.malformed(str("input ", i, " has shape ", to_string(c.input(i).shape()), ", wanted [", channels, "]"));
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), scale(c, 1), bias(c, 2);
  const int64_t plane = y.elements() / (shape[0] * channels), per_group = channels / groups;
  normalize_rows(c, x.data, shape[0] * groups, per_group * plane, true, y.data(), [](int64_t, const Moments&) {});
  const bool by_group = scale.tensor.elements() != channels;
  float* to = y.data();
  for (int64_t p = 0; p < shape[0] * channels; ++p) {
    const int64_t at = by_group ? p % channels / per_group : p % channels;
    for (int64_t i = p * plane; i < (p + 1) * plane; ++i) to[i] = to[i] * scale.data[at] + bias.data[at];
  }
  y.finish();
}

void run_group_norm(OpContext& c) { normalize_groups(c, c.node().attr_int("num_groups", 0)); }
void run_instance_norm(OpContext& c) {
  normalize_groups(c, c.input(0).rank() > 1 ? std::max<int64_t>(c.input(0).dim(1), 1) : 1);
}

const Op kOps[] = {
    {.name = "LayerNormalization", .min_inputs = 2, .max_inputs = 3, .max_outputs = 3, .since = 17,
     .run = run_layer_norm},
    {.name = "RMSNormalization", .min_inputs = 2, .max_inputs = 2, .since = 23, .run = run_rms_norm},
    {.name = "InstanceNormalization", .min_inputs = 3, .max_inputs = 3, .since = 6, .run = run_instance_norm},
    {.name = "GroupNormalization", .min_inputs = 3, .max_inputs = 3, .since = 21, .run = run_group_norm},
};

}  // namespace

std::span<const Op> ops_normalization() { return kOps; }

}  // namespace bitwright
