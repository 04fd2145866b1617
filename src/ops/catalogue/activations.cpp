// Activations of one input. Formulas as in the ONNX operator specification; quantized, each is a table over 8-bit codes,
// and those with a known range (Sigmoid, HardSigmoid, Tanh, Softsign) have a fixed output grid.
#include <cmath>

#include "ops/emit.hpp"
#include "ops/unary.hpp"

namespace bitwright {
namespace {

// Both halves avoid an overflowing exponential.
template <class T>
T sigmoid(T x) {
  if (x >= 0) return 1 / (1 + std::exp(-x));
  const T e = std::exp(x);
  return e / (1 + e);
}

// log(1 + e^x)
template <class T>
T softplus(T x) {
  return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
}

void run_sigmoid(OpContext& c) {
  run_unary(c, [](auto x) { return sigmoid(x); });
}
void run_tanh(OpContext& c) {
  run_unary(c, [](auto x) { return std::tanh(x); });
}
void run_softplus(OpContext& c) {
  run_unary(c, [](auto x) { return softplus(x); });
}
void run_softsign(OpContext& c) {
  run_unary(c, [](auto x) { return x / (1 + std::abs(x)); });
}
void run_mish(OpContext& c) {
  run_unary(c, [](auto x) { return x * std::tanh(softplus(x)); });
}

void run_swish(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 1.0f);
  run_unary(c, [alpha]<class T>(T x) { return x * sigmoid(T(alpha) * x); });
}

void run_hard_sigmoid(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 0.2f), beta = c.node().attr_float("beta", 0.5f);
  run_unary(c, [alpha, beta]<class T>(T x) { return std::max(T(0), std::min(T(1), T(alpha) * x + T(beta))); });
}

void run_hard_swish(OpContext& c) {
  run_unary(c, []<class T>(T x) { return x * std::max(T(0), std::min(T(1), x / 6 + T(0.5))); });
}

void run_elu(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 1.0f);
  run_unary(c, [alpha]<class T>(T x) { return x < 0 ? T(alpha) * std::expm1(x) : x; });
}

void run_selu(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 1.67326319217681884765625f);
  const float gamma = c.node().attr_float("gamma", 1.05070102214813232421875f);
  run_unary(c, [alpha, gamma]<class T>(T x) { return T(gamma) * (x > 0 ? x : T(alpha) * std::expm1(x)); });
}

void run_celu(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 1.0f);
  if (alpha == 0) c.malformed("alpha is 0");
  run_unary(c, [alpha]<class T>(T x) { return std::max(T(0), x) + std::min(T(0), T(alpha) * std::expm1(x / T(alpha))); });
}

void run_leaky_relu(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 0.01f);
  run_unary(c, [alpha]<class T>(T x) { return x < 0 ? T(alpha) * x : x; });
}

void run_thresholded_relu(OpContext& c) {
  const float alpha = c.node().attr_float("alpha", 1.0f);
  run_unary(c, [alpha]<class T>(T x) { return x > T(alpha) ? x : T(0); });
}

void run_shrink(OpContext& c) {
  const float bias = c.node().attr_float("bias", 0.0f), lambda = c.node().attr_float("lambd", 0.5f);
  run_unary_of_numbers(c, [bias, lambda]<class T>(T x) {
    return x < -T(lambda) ? x + T(bias) : x > T(lambda) ? x - T(bias) : T(0);
  });
}

// x * Phi(x), or its approximation by tanh (Hendrycks and Gimpel 2016).
void run_gelu(OpContext& c) {
  const std::string approximate = c.node().attr_string("approximate", "none");
  if (approximate == "tanh") {
    return run_unary(c, []<class T>(T x) {
      return T(0.5) * x * (1 + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
    });
  }
  if (approximate != "none") c.malformed(str("approximate is '", approximate, "', wanted none or tanh"));
  run_unary(c, []<class T>(T x) { return T(0.5) * x * (1 + std::erf(x * T(0.70710678118654752440))); });
}

// x * sigmoid(alpha * x)
bool downgrade_swish(UpgradeContext& u) {
  const ValueId x = u.node.input(0);
  const float alpha = u.node.attr_float("alpha", 1.0f);
  const ValueId scaled = alpha == 1 ? x : emit(u, "Mul", {x, u.constant("alpha", Tensor::scalar(alpha))});
  become(u, "Mul", {x, emit(u, "Sigmoid", {scaled})});
  return true;
}

const QuantRule kTable = {.kind = QuantRule::Kind::table};
const QuantRule kZeroToOne = {.kind = QuantRule::Kind::fixed, .fixed_min = 0, .fixed_max = 1};
const QuantRule kOneToOne = {.kind = QuantRule::Kind::fixed, .fixed_min = -1, .fixed_max = 1};

const Op kOps[] = {
    {.name = "Sigmoid", .since = 6, .run = run_sigmoid, .quant = kZeroToOne},
    {.name = "Tanh", .since = 6, .run = run_tanh, .quant = kOneToOne},
    {.name = "Softplus", .run = run_softplus, .quant = kTable},
    {.name = "Softsign", .run = run_softsign, .quant = kOneToOne},
    {.name = "Mish", .since = 18, .run = run_mish, .quant = kTable},
    {.name = "Swish", .since = 24, .run = run_swish, .downgrade = downgrade_swish, .quant = kTable},
    {.name = "HardSigmoid", .since = 6, .run = run_hard_sigmoid, .quant = kZeroToOne},
    {.name = "HardSwish", .since = 14, .run = run_hard_swish, .quant = kTable},
    {.name = "Elu", .since = 6, .run = run_elu, .quant = kTable},
    {.name = "Selu", .since = 6, .run = run_selu, .quant = kTable},
    {.name = "Celu", .since = 12, .run = run_celu, .quant = kTable},
    {.name = "LeakyRelu", .since = 6, .run = run_leaky_relu, .quant = kTable},
    {.name = "ThresholdedRelu", .since = 10, .run = run_thresholded_relu, .quant = kTable},
    {.name = "Shrink", .since = 9, .run = run_shrink, .quant = kTable},
    {.name = "Gelu", .since = 20, .run = run_gelu, .quant = kTable},
};

}  // namespace

std::span<const Op> ops_activations() { return kOps; }

}  // namespace bitwright
