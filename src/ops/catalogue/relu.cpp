// Relu and Clip: activations that only cut the range, so the requantize of the operator before absorbs them.
#include <algorithm>
#include <limits>

#include "ops/forms.hpp"

namespace bitwright {
namespace {

void run_relu(OpContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = x.values<T>().data();
    T* to = y.values<T>().data();
    c.parallel(x.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = from[i] < T(0) ? T(0) : from[i];  // NaN passes
    });
  });
}

void run_clip(OpContext& c) {
  const Tensor& x = c.input(0);
  for (size_t i = 1; i <= 2; ++i)
    if (c.has(i) && (c.input(i).dtype() != x.dtype() || c.input(i).elements() != 1))
      c.malformed(str("limit ", i, " is ", name_of(c.input(i).dtype()), to_string(c.input(i).shape()), ", wanted one ",
                      name_of(x.dtype())));
  Tensor& y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = x.values<T>().data();
    T* to = y.values<T>().data();
    const T* low = c.has(1) ? c.data(1).values<T>().data() : nullptr;
    const T* high = c.has(2) ? c.data(2).values<T>().data() : nullptr;
    c.parallel(x.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T v = from[i];
        if (low && v < *low) v = *low;
        if (high && v > *high) v = *high;  // low > high gives high, as numpy
        to[i] = v;
      }
    });
  });
}

// Before opset 11 the limits were attributes, with defaults that do not limit.
void upgrade_clip(UpgradeContext& u) {
  if (u.opset >= 11) return;
  const float low = u.node.attr_float("min", std::numeric_limits<float>::lowest());
  const float high = u.node.attr_float("max", std::numeric_limits<float>::max());
  u.node.attributes.clear();
  u.node.inputs.resize(1);
  u.node.inputs.push_back(u.constant("min", Tensor::scalar(low)));
  u.node.inputs.push_back(u.constant("max", Tensor::scalar(high)));
}

bool limit_to_attribute(UpgradeContext& u, size_t index, const std::string& key) {
  if (u.node.input(index) == ValueId::none) return true;
  const Tensor* limit = constant_input(u, index);
  if (!limit || !is_float(limit->dtype()) || limit->elements() != 1) return false;
  u.node.attributes[key] = static_cast<float>(value_as_double(*limit, 0));
  return true;
}

bool downgrade_clip(UpgradeContext& u) {
  if (!limit_to_attribute(u, 1, "min") || !limit_to_attribute(u, 2, "max")) return false;
  u.node.inputs.resize(1);
  return true;
}

const QuantRule kClamp = {.kind = QuantRule::Kind::table, .clamp_only = true};

const Op kOps[] = {
    {.name = "Relu", .run = run_relu, .quant = kClamp},
    {.name = "Clip", .max_inputs = 3, .since = 11, .run = run_clip, .upgrade = upgrade_clip,
     .downgrade = downgrade_clip, .quant = kClamp},
};

}  // namespace

std::span<const Op> ops_relu() { return kOps; }

}  // namespace bitwright
