// BatchNormalization. Stays float: `fold_batch_norm` removes it from networks before they are quantized.
#include <cmath>

#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Planes {  // [N, C, rest] as loops see it
  int64_t batch, channels, size;
};

// Mean and population variance of channel `ch`, in double so that they do not depend on the order's rounding.
std::pair<float, float> moments(const float* x, const Planes& p, int64_t ch) {
  double sum = 0, squares = 0;
  auto each = [&](auto f) {
    for (int64_t n = 0; n < p.batch; ++n)
      for (int64_t i = 0; i < p.size; ++i) f(static_cast<double>(x[(n * p.channels + ch) * p.size + i]));
  };
  const auto count = static_cast<double>(p.batch * p.size);
  each([&](double v) { sum += v; });
  const double mean = sum / count;
  each([&](double v) { squares += (v - mean) * (v - mean); });
  return {static_cast<float>(mean), static_cast<float>(squares / count)};
}

void normalize(const OpContext& c, const float* x, const Planes& p, const float* scale, const float* bias,
               const float* mean, const float* variance, float* y) {
  const float epsilon = c.node().attr_float("epsilon", 1e-5f);
  c.parallel(p.batch * p.channels, 8, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t ch = plane % p.channels;
      const float factor = scale[ch] / std::sqrt(variance[ch] + epsilon);
      for (int64_t i = plane * p.size; i < (plane + 1) * p.size; ++i) y[i] = (x[i] - mean[ch]) * factor + bias[ch];
    }
  });
}

Planes read_planes(const OpContext& c) {
  const Shape& x = c.input(0).shape();
  if (x.empty()) c.malformed("the input is a scalar");
  const int64_t channels = x.size() > 1 ? x[1] : 1;
  for (size_t i = 1; i < 5; ++i)
    if (c.input(i).shape() != Shape{channels})
      c.malformed(str("input ", i, " has shape ", to_string(c.input(i).shape()), ", wanted [", channels, "]"));
  return {x[0], channels, elements_of(x) / std::max<int64_t>(1, x[0] * channels)};
}

void run_batch_norm(OpContext& c) {
  const Planes p = read_planes(c);
  const bool training = c.node().attr_int("training_mode", 0) != 0;
  RealOutput y(c, 0, real_type(c, 0), c.input(0).shape());
  if (!training) {
    if (c.wants(1)) c.malformed("running mean and variance are outputs only with training_mode=1");
    if (c.shape_only()) return;
    const RealInput x(c, 0), scale(c, 1), bias(c, 2), mean(c, 3), variance(c, 4);
    normalize(c, x.data, p, scale.data, bias.data, mean.data, variance.data, y.data());
    return y.finish();
  }
  RealOutput running_mean(c, 1, real_type(c, 3), {p.channels}), running_variance(c, 2, real_type(c, 4), {p.channels});
  if (c.shape_only()) return;
  const RealInput x(c, 0), scale(c, 1), bias(c, 2), old_mean(c, 3), old_variance(c, 4);
  const float momentum = c.node().attr_float("momentum", 0.9f);
  std::vector<float> mean, variance;
  for (int64_t ch = 0; ch < p.channels; ++ch) {
    const auto now = moments(x.data, p, ch);
    mean.push_back(now.first);
    variance.push_back(now.second);
    running_mean.data()[ch] = old_mean.data[ch] * momentum + now.first * (1 - momentum);
    running_variance.data()[ch] = old_variance.data[ch] * momentum + now.second * (1 - momentum);
  }
  normalize(c, x.data, p, scale.data, bias.data, mean.data(), variance.data(), y.data());
  y.finish();
  running_mean.finish();
  running_variance.finish();
}

// spatial=0 (until opset 8) has a mean, variance, scale and bias per element [C, D1...]: plain arithmetic,
// (x - mean) * (scale / sqrt(variance + epsilon)) + bias.
void upgrade_per_element(UpgradeContext& u) {
  if (u.node.outputs.size() > 1)
    fail(ErrorCode::unsupported, display_name(u.node), ": spatial=0 in training mode is not supported");
  const float epsilon = u.node.attr_float("epsilon", 1e-5f);
  auto emit = [&](const char* op, std::vector<ValueId> inputs) {
    Node made;
    made.id = u.graph.new_node_id();
    made.op = op;
    made.inputs = std::move(inputs);
    made.outputs = {u.graph.add_value(str(u.node.name.empty() ? u.node.op : u.node.name, ".", op))};
    u.before.push_back(made);
    return made.outputs[0];
  };
  const std::vector<ValueId> in = u.node.inputs;
  const ValueId root = emit("Sqrt", {emit("Add", {in[4], u.constant("epsilon", Tensor::scalar(epsilon))})});
  const ValueId scaled = emit("Mul", {emit("Sub", {in[0], in[3]}), emit("Div", {in[1], root})});
  u.node.op = "Add";
  u.node.inputs = {scaled, in[2]};
  u.node.attributes.clear();
}

// Until opset 13 more than one output meant training; the saved mean and variance (3, 4) were for a backward pass only.
void upgrade_batch_norm(UpgradeContext& u) {
  if (u.opset < 9 && u.node.attr_int("spatial", 1) == 0 && u.node.inputs.size() == 5) return upgrade_per_element(u);
  u.node.attributes.erase("spatial");
  if (u.opset >= 14) return;
  bool training = false;
  for (size_t i = 1; i < u.node.outputs.size(); ++i) training = training || u.node.outputs[i] != ValueId::none;
  u.node.outputs.resize(training ? std::min<size_t>(u.node.outputs.size(), 3) : 1);
  if (training) u.node.attributes["training_mode"] = int64_t{1};
}

// Without training the form is the same back to opset 7: its `spatial` is 1 where it is left out.
bool downgrade_batch_norm(UpgradeContext& u) {
  if (u.opset < 7 || u.node.attr_int("training_mode", 0) != 0) return false;
  u.node.attributes.erase("training_mode");
  return true;
}

const Op kOps[] = {
    {.name = "BatchNormalization", .min_inputs = 5, .max_inputs = 5, .max_outputs = 3, .since = 14,
     .run = run_batch_norm, .upgrade = upgrade_batch_norm, .downgrade = downgrade_batch_norm},
};

}  // namespace

std::span<const Op> ops_batch_norm() { return kOps; }

}  // namespace bitwright
