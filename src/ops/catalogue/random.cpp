// Random numbers and Dropout. Numbers are a hash of (seed, position), so they do not depend on threads; without a seed
// the node's id is the seed. ONNX does not say which numbers a seed gives.
#include <bit>
#include <cmath>

#include "ops/convert.hpp"
#include "ops/forms.hpp"

namespace bitwright {
namespace {

class Random {
 public:
  explicit Random(const Node& node) : seed_(uint64_t{1} << 40 | static_cast<uint32_t>(node.id)) {
    const auto at = node.attributes.find("seed");
    if (at == node.attributes.end()) return;
    if (const auto* real = std::get_if<float>(&at->second)) seed_ = std::bit_cast<uint32_t>(*real);
    if (const auto* whole = std::get_if<int64_t>(&at->second)) seed_ = static_cast<uint64_t>(*whole);  // Dropout's
  }

  /// In (0, 1); splitmix64 (Steele, Lea and Flood 2014).
  double uniform(uint64_t position) const {
    uint64_t z = (seed_ * 0x9e3779b97f4a7c15u) ^ ((position + 1) * 0xbf58476d1ce4e5b9u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (static_cast<double>(z >> 11) + 0.5) * 0x1p-53;
  }
  /// Box and Muller 1958.
  double normal(uint64_t position) const {
    return std::sqrt(-2 * std::log(uniform(2 * position))) * std::cos(6.28318530717958647692 * uniform(2 * position + 1));
  }

 private:
  uint64_t seed_;
};

DType wanted_type(const OpContext& c, DType fallback) {
  const auto type = static_cast<DType>(c.node().attr_int("dtype", static_cast<int64_t>(fallback)));
  if (bits_of(type) < 8) c.malformed(str("dtype is ", name_of(type)));
  return type;
}

template <class F>
void fill(OpContext& c, DType type, Shape shape, F f) {
  Tensor y = c.output(0, type, std::move(shape));
  if (c.shape_only()) return;
  for (int64_t i = 0; i < y.elements(); ++i) {
    const double value = f(static_cast<uint64_t>(i));
    write_numbers(y, i, 1, &value);
  }
}

void fill_uniform(OpContext& c, DType type, Shape shape) {
  const Random random(c.node());
  const double low = c.node().attr_float("low", 0), high = c.node().attr_float("high", 1);
  fill(c, type, std::move(shape), [=](uint64_t i) { return low + (high - low) * random.uniform(i); });
}
void fill_normal(OpContext& c, DType type, Shape shape) {
  const Random random(c.node());
  const double mean = c.node().attr_float("mean", 0), scale = c.node().attr_float("scale", 1);
  fill(c, type, std::move(shape), [=](uint64_t i) { return mean + scale * random.normal(i); });
}

Shape read_shape(const OpContext& c) {
  Shape shape = c.node().attr_ints("shape");
  for (const int64_t extent : shape)
    if (extent < 0) c.malformed(str("shape is ", to_string(shape)));
  return shape;
}

void run_uniform(OpContext& c) { fill_uniform(c, wanted_type(c, DType::f32), read_shape(c)); }
void run_uniform_like(OpContext& c) { fill_uniform(c, wanted_type(c, c.input(0).dtype()), c.input(0).shape()); }
void run_normal(OpContext& c) { fill_normal(c, wanted_type(c, DType::f32), read_shape(c)); }
void run_normal_like(OpContext& c) { fill_normal(c, wanted_type(c, c.input(0).dtype()), c.input(0).shape()); }

void run_bernoulli(OpContext& c) {
  const Random random(c.node());
  const DType type = wanted_type(c, c.input(0).dtype());
  if (c.shape_only()) return void(c.output(0, type, c.input(0).shape()));
  const Tensor& p = c.data(0);
  fill(c, type, p.shape(), [&](uint64_t i) {
    return random.uniform(i) < value_as_double(p, static_cast<int64_t>(i)) ? 1.0 : 0.0;
  });
}

// Dropout outside training passes its input on.
void run_dropout(OpContext& c) {
  const Tensor& x = c.input(0);
  const bool training = c.has(2) && value_as_int(c.data(2), 0) != 0;
  const double ratio = training ? (c.has(1) ? value_as_double(c.data(1), 0) : 0.5) : 0;
  if (!(ratio >= 0 && ratio < 1)) c.malformed(str("ratio is ", ratio, ", wanted [0, 1)"));
  Tensor mask;
  if (c.wants(1)) mask = c.output(1, DType::boolean, x.shape());
  if (ratio == 0) {
    c.forward(0, x);
    if (!c.shape_only() && !mask.empty()) std::fill(mask.values<bool>().begin(), mask.values<bool>().end(), true);
    return;
  }
  const Random random(c.node());
  if (c.shape_only()) return void(c.output(0, x.dtype(), x.shape()));
  fill(c, x.dtype(), x.shape(), [&](uint64_t i) {
    const bool kept = random.uniform(i) >= ratio;
    if (!mask.empty()) mask.values<bool>()[i] = kept;
    return kept ? value_as_double(x, static_cast<int64_t>(i)) / (1 - ratio) : 0.0;
  });
}

// The ratio was an attribute until opset 12; training then meant is_test=0, which only opset 6 and older had.
void upgrade_dropout(UpgradeContext& u) {
  if (u.opset >= 12) return;
  u.node.attributes.erase("is_test");
  if (!u.node.has_attr("ratio")) return;
  u.node.inputs.resize(2);
  u.node.inputs[1] = u.constant("ratio", Tensor::scalar(u.node.attr_float("ratio", 0.5f)));
  u.node.attributes.erase("ratio");
}

bool downgrade_dropout(UpgradeContext& u) {
  if (u.node.input(2) != ValueId::none) {
    const Tensor* training = constant_input(u, 2);
    if (!training || value_as_int(*training, 0) != 0) return false;
  }
  if (const Tensor* ratio = constant_input(u, 1))
    u.node.attributes["ratio"] = static_cast<float>(value_as_double(*ratio, 0));
  u.node.attributes.erase("seed");
  u.node.inputs.resize(1);
  return u.opset >= 7;
}

const Op kOps[] = {
    {.name = "RandomUniform", .min_inputs = 0, .max_inputs = 0, .run = run_uniform, .deterministic = false},
    {.name = "RandomUniformLike", .run = run_uniform_like, .deterministic = false},
    {.name = "RandomNormal", .min_inputs = 0, .max_inputs = 0, .run = run_normal, .deterministic = false},
    {.name = "RandomNormalLike", .run = run_normal_like, .deterministic = false},
    {.name = "Bernoulli", .since = 15, .run = run_bernoulli, .deterministic = false},
    {.name = "Dropout", .max_inputs = 3, .max_outputs = 2, .since = 12, .run = run_dropout, .upgrade = upgrade_dropout,
     .downgrade = downgrade_dropout, .quant = {.kind = QuantRule::Kind::shared}},
};

}  // namespace

std::span<const Op> ops_random() { return kOps; }

}  // namespace bitwright
