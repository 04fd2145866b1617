// Conv, 1-D to 3-D, and ONNX Runtime's FusedConv (an addend and an activation after it). Quantized: weights per output
// channel, int32 bias, int32 accumulators. Each output is summed over input channels, then taps (d, h, w), then the bias.
#include <algorithm>
#include <cmath>

#include "ops/convolution.hpp"
#include "ops/gemm.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

// Columns of the unfolded input: row (channel, tap), column = output position.
PackColumns unfold(const float* x, const Window& w, int64_t channels) {
  return [=](int64_t begin, int64_t count, float* to) {
    const int64_t taps = w.taps(), plane = w.in_size();
    Window::Dims at[kGemmCols];
    for (int64_t j = 0; j < count; ++j) at[j] = Window::split(begin + j, w.out);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const Window::Dims t = Window::split(tap, w.kernel);
      int64_t offset[kGemmCols];
      bool inside = count == kGemmCols;
      for (int64_t j = 0; j < count; ++j) {
        const int64_t d = w.source(0, at[j][0], t[0]), h = w.source(1, at[j][1], t[1]), v = w.source(2, at[j][2], t[2]);
        const bool valid = d >= 0 && d < w.in[0] && h >= 0 && h < w.in[1] && v >= 0 && v < w.in[2];
        offset[j] = valid ? (d * w.in[1] + h) * w.in[2] + v : -1;
        inside = inside && valid;
      }
      float* row = to + tap * kGemmCols;
      const float* from = x;
      if (inside && offset[kGemmCols - 1] - offset[0] == kGemmCols - 1 && w.stride[2] == 1) {
        for (int64_t i = 0; i < channels; ++i, row += taps * kGemmCols, from += plane)
          std::copy_n(from + offset[0], kGemmCols, row);
      } else {
        for (int64_t i = 0; i < channels; ++i, row += taps * kGemmCols, from += plane)
          for (int64_t j = 0; j < count; ++j) row[j] = offset[j] < 0 ? 0.0f : from[offset[j]];
      }
    }
  };
}

// One output plane of a depthwise convolution: row by row, one multiply-add sweep per tap.
void depthwise(const float* x, const float* weights, float bias, const Window& w, float* y) {
  for (int64_t row = 0; row < w.out[0] * w.out[1]; ++row) {
    const int64_t od = row / w.out[1], oh = row % w.out[1];
    float* to = y + row * w.out[2];
    std::fill_n(to, w.out[2], 0.0f);
    for (int64_t tap = 0; tap < w.taps(); ++tap) {
      const Window::Dims t = Window::split(tap, w.kernel);
      const int64_t d = w.source(0, od, t[0]), h = w.source(1, oh, t[1]), first = w.source(2, 0, t[2]);
      if (d < 0 || d >= w.in[0] || h < 0 || h >= w.in[1]) continue;
      const float* from = x + (d * w.in[1] + h) * w.in[2];
      const int64_t s = w.stride[2], begin = first >= 0 ? 0 : (-first + s - 1) / s;
      const int64_t end = w.in[2] > first ? std::min(w.out[2], (w.in[2] - first - 1) / s + 1) : 0;
      const float weight = weights[tap];
      for (int64_t i = begin; i < end; ++i) to[i] += weight * from[first + i * s];
    }
    for (int64_t i = 0; i < w.out[2]; ++i) to[i] += bias;
  }
}

void compute(const OpContext& c, const Convolution& p, const float* x, const float* weights, const float* bias, float* y) {
  const Window& w = p.w;
  const int64_t in = w.in_size(), out = w.out_size();
  const int64_t channels = p.channels / p.groups, features = p.features / p.groups, k = channels * w.taps();
  if (channels == 1 && features == 1) {
    c.parallel(p.batch * p.channels, std::max<int64_t>(1, 32768 / std::max<int64_t>(out, 1)), [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const int64_t f = i % p.channels;
        depthwise(x + i * in, weights + f * k, bias ? bias[f] : 0.0f, w, y + i * out);
      }
    });
    return;
  }
  for (int64_t g = 0; g < p.groups; ++g) {
    const PackedRows rows = pack_rows(weights + g * features * k, features, k, k, 1);
    for (int64_t n = 0; n < p.batch; ++n)
      gemm(c, rows, out, unfold(x + (n * p.channels + g * channels) * in, w, channels),
           y + (n * p.features + g * features) * out, out, bias ? bias + g * features : nullptr);
  }
}

void activate(const OpContext& c, float* y, int64_t count) {
  const std::string name = c.node().attr_string("activation", "");
  const auto params = c.node().attr_floats("activation_params");
  auto param = [&](size_t i, float fallback) { return i < params.size() ? params[i] : fallback; };
  const float a = param(0, name == "HardSigmoid" ? 0.2f : name == "Clip" ? -INFINITY : 0.01f);
  const float b = param(1, name == "HardSigmoid" ? 0.5f : INFINITY);
  auto apply = [&](auto f) { std::transform(y, y + count, y, f); };
  if (name.empty()) return;
  if (name == "Relu") return apply([](float v) { return v < 0 ? 0.0f : v; });
  if (name == "Tanh") return apply([](float v) { return std::tanh(v); });
  if (name == "Sigmoid") return apply([](float v) { return 1 / (1 + std::exp(-v)); });
  if (name == "LeakyRelu") return apply([a](float v) { return v < 0 ? a * v : v; });
  if (name == "Clip") return apply([a, b](float v) { return std::min(std::max(v, a), b); });
  if (name == "HardSigmoid") return apply([a, b](float v) { return std::min(std::max(a * v + b, 0.0f), 1.0f); });
  c.unsupported(str("activation '", name, "'"));
}

void add_to(const OpContext& c, const Shape& shape, float* y) {
  const RealInput addend(c, 3);
  if (addend.tensor.shape() != shape) c.malformed("the addend has another shape than the result");
  for (int64_t i = 0; i < addend.tensor.elements(); ++i) y[i] += addend.data[i];
}

// Only FusedConv can have a fourth input or the attribute `activation`.
void run_conv(OpContext& c) {
  const Convolution p = read_convolution(c, 0, 1, 2);
  RealOutput y(c, 0, real_type(c, 0), p.output_shape());
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), weights(c, 1);
  const Tensor bias = c.has(2) ? to_f32(c.data(2)) : Tensor();
  compute(c, p, x.data, weights.data, bias.empty() ? nullptr : bias.values<float>().data(), y.data());
  if (c.has(3)) add_to(c, y.shape(), y.data());
  activate(c, y.data(), y.elements());
  y.finish();
}

const QuantRule kLinear = {.kind = QuantRule::Kind::linear, .weight_input = 1, .bias_input = 2, .weight_axis = 0};

const Op kOps[] = {
    {.name = "Conv", .min_inputs = 2, .max_inputs = 3, .run = run_conv, .quant = kLinear},
    {.name = "FusedConv", .domain = "com.microsoft", .min_inputs = 2, .max_inputs = 4, .run = run_conv},
};

}  // namespace

std::span<const Op> ops_conv() { return kOps; }

}  // namespace bitwright
