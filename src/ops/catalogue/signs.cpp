// Abs, Neg, Sign on every numeric type; IsNaN and IsInf; PRelu.
#include <cmath>

#include "ops/broadcast.hpp"
#include "ops/forms.hpp"
#include "ops/unary.hpp"

namespace bitwright {
namespace {

template <class F>
void run_numeric(OpContext& c, F f) {
  Tensor y = c.output(0, c.input(0).dtype(), c.input(0).shape());
  if (c.shape_only()) return;
  const Tensor& x = c.data(0);
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = x.values<T>().data();
    T* to = y.values<T>().data();
    c.parallel(x.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = f(from[i]);
    });
  });
}

// Integers negate as two's complement: the least one stays.
template <class T>
T negated(T v) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(0 - static_cast<uint64_t>(v));
  else return T(-v);
}

void run_abs(OpContext& c) {
  run_numeric(c, []<class T>(T v) {
    if constexpr (std::is_integral_v<T>) return v < T(0) ? negated(v) : v;
    else return T(std::abs(v));
  });
}
void run_neg(OpContext& c) {
  run_numeric(c, []<class T>(T v) { return negated(v); });
}
void run_sign(OpContext& c) {
  run_numeric(c, []<class T>(T v) { return v > T(0) ? T(1) : v < T(0) ? negated(T(1)) : v == T(0) ? T(0) : v; });
}

// Any 8-bit float is looked at through f32 as well.
template <class F>
void run_test(OpContext& c, F f) {
  Tensor y = c.output(0, DType::boolean, c.input(0).shape());
  if (c.shape_only()) return;
  const Tensor& x = c.data(0);
  bool* to = y.values<bool>().data();
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = x.values<T>().data();
    for (int64_t i = 0; i < x.elements(); ++i) {
      if constexpr (std::is_integral_v<T>) to[i] = false;
      else to[i] = f(static_cast<double>(from[i]));
    }
  });
}

void run_is_nan(OpContext& c) {
  run_test(c, [](double v) { return std::isnan(v); });
}
void run_is_inf(OpContext& c) {
  const bool negative = c.node().attr_int("detect_negative", 1) != 0;
  const bool positive = c.node().attr_int("detect_positive", 1) != 0;
  run_test(c, [=](double v) { return std::isinf(v) && (v < 0 ? negative : positive); });
}

void run_prelu(OpContext& c) {
  const Tensor &x = c.input(0), &slope = c.input(1);
  if (broadcast_shapes(c, x.shape(), slope.shape()) != x.shape())
    c.malformed(str("slope ", to_string(slope.shape()), " does not broadcast to ", to_string(x.shape())));
  if (x.dtype() != slope.dtype()) c.malformed(str("operands are ", name_of(x.dtype()), " and ", name_of(slope.dtype())));
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  dispatch(x.dtype(), [&]<class T>(T*) {
    broadcast_apply(c, c.data(0).values<T>().data(), x.shape(), c.data(1).values<T>().data(), slope.shape(),
                    y.values<T>().data(), x.shape(), [](T v, T s) { return v < T(0) ? static_cast<T>(v * s) : v; });
  });
}

// Integers came with opset 9.
bool downgrade_prelu(UpgradeContext& u) {
  const ValueId x = u.node.input(0);
  return u.opset >= 7 && u.graph.has_value(x) && is_float(u.graph.value(x).dtype);
}

const QuantRule kTable = {.kind = QuantRule::Kind::table};

const Op kOps[] = {
    {.name = "Abs", .since = 6, .run = run_abs, .quant = kTable},
    {.name = "Neg", .since = 6, .run = run_neg, .quant = kTable},
    {.name = "Sign", .since = 9, .run = run_sign, .quant = kTable},
    {.name = "IsNaN", .since = 9, .run = run_is_nan},
    {.name = "IsInf", .since = 10, .run = run_is_inf},
    {.name = "PRelu", .min_inputs = 2, .max_inputs = 2, .since = 9, .run = run_prelu, .downgrade = downgrade_prelu},
};

}  // namespace

std::span<const Op> ops_signs() { return kOps; }

}  // namespace bitwright
