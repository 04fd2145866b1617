// Add, Sub, Mul, Div: two operands of one type, numpy broadcasting. Quantized: both operands are brought to real values
// and the result to its own grid (rescale).
#include "ops/broadcast.hpp"

namespace bitwright {
namespace {

template <class F>
void run_arithmetic(OpContext& c, F f) {
  const Tensor &a = c.input(0), &b = c.input(1);
  if (a.dtype() != b.dtype()) c.malformed(str("operands are ", name_of(a.dtype()), " and ", name_of(b.dtype())));
  Tensor& y = c.output(0, a.dtype(), broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  dispatch(a.dtype(), [&]<class T>(T*) {
    broadcast_apply(c, a.values<T>().data(), a.shape(), b.values<T>().data(), b.shape(), y.values<T>().data(),
                    y.shape(), f);
  });
}

// Integers wrap around as in C; 16-bit floats are computed in float and rounded once.
template <class T, class F>
T wrapped(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  } else if constexpr (std::is_arithmetic_v<T>) {
    return f(a, b);
  } else {
    return T(f(static_cast<float>(a), static_cast<float>(b)));
  }
}

void run_add(OpContext& c) {
  run_arithmetic(c, []<class T>(T a, T b) { return wrapped(a, b, [](auto x, auto y) { return x + y; }); });
}
void run_sub(OpContext& c) {
  run_arithmetic(c, []<class T>(T a, T b) { return wrapped(a, b, [](auto x, auto y) { return x - y; }); });
}
void run_mul(OpContext& c) {
  run_arithmetic(c, []<class T>(T a, T b) { return wrapped(a, b, [](auto x, auto y) { return x * y; }); });
}
void run_div(OpContext& c) {
  run_arithmetic(c, []<class T>(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      return b == 0 ? T(0) : static_cast<T>(a / b);  // ONNX leaves integer division by zero open; we must not trap
    } else {
      return wrapped(a, b, [](auto x, auto y) { return x / y; });
    }
  });
}

const QuantRule kRescale = {.kind = QuantRule::Kind::rescale, .data_inputs = {0, 1}};

const Op kOps[] = {
    {.name = "Add", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_add, .quant = kRescale},
    {.name = "Sub", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_sub, .quant = kRescale},
    {.name = "Mul", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_mul, .quant = kRescale},
    {.name = "Div", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_div},
};

}  // namespace

std::span<const Op> ops_arithmetic() { return kOps; }

}  // namespace bitwright
