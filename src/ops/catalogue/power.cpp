// Pow and Mod.
#include <cmath>

#include "ops/broadcast.hpp"
#include "ops/convert.hpp"

namespace bitwright {
namespace {

// Integers to integer powers wrap around; a negative power of anything but 1 and -1 is cut to 0.
uint64_t integer_power(uint64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == UINT64_MAX ? (exponent % 2 ? base : 1) : 0;
  uint64_t result = 1;
  for (; exponent > 0; exponent /= 2, base *= base)
    if (exponent % 2) result *= base;
  return result;
}

template <class T>
T power(T base, double exponent) {
  if constexpr (std::is_integral_v<T>) {
    if (exponent == std::floor(exponent) && std::abs(exponent) < 0x1p53)
      return static_cast<T>(integer_power(static_cast<uint64_t>(base), static_cast<int64_t>(exponent)));
    return static_cast<T>(static_cast<int64_t>(std::pow(static_cast<double>(base), exponent)));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::pow(base, exponent);
  } else {
    return T(std::pow(static_cast<float>(base), static_cast<float>(exponent)));
  }
}

void run_pow(OpContext& c) {
  const Tensor &x = c.input(0), &y = c.input(1);
  Tensor out = c.output(0, x.dtype(), broadcast_shapes(c, x.shape(), y.shape()));
  if (c.shape_only()) return;
  std::vector<double> exponents(static_cast<size_t>(y.elements()));
  read_numbers(c.data(1), 0, y.elements(), exponents.data());
  const bool square = exponents.size() == 1 && exponents[0] == 2 && x.dtype() == DType::f32;
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = c.data(0).values<T>().data();
    T* to = out.values<T>().data();
    if (square)
      return broadcast_apply(c, from, x.shape(), exponents.data(), y.shape(), to, out.shape(),
                             [](T v, double) { return T(v * v); });
    broadcast_apply(c, from, x.shape(), exponents.data(), y.shape(), to, out.shape(),
                    [](T v, double e) { return power(v, e); });
  });
}

// fmod=0: integers, the sign of the divisor; fmod=1: as C, the sign of the dividend.
template <class T>
T remainder(T a, T b, bool as_c) {
  if constexpr (!std::is_integral_v<T>) {
    return T(std::fmod(a, b));
  } else {
    if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) return 0;  // must not trap
    const T r = static_cast<T>(a % b);
    return !as_c && r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
  }
}

void run_mod(OpContext& c) {
  const Tensor &a = c.input(0), &b = c.input(1);
  const bool as_c = c.node().attr_int("fmod", 0) != 0;
  if (a.dtype() != b.dtype()) c.malformed(str("operands are ", name_of(a.dtype()), " and ", name_of(b.dtype())));
  if (is_float(a.dtype()) && !as_c) c.malformed("float operands want fmod=1");
  Tensor y = c.output(0, a.dtype(), broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  dispatch(a.dtype(), [&]<class T>(T*) {
    if constexpr (!std::is_same_v<T, bool>)
      broadcast_apply(c, c.data(0).values<T>().data(), a.shape(), c.data(1).values<T>().data(), b.shape(),
                      y.values<T>().data(), y.shape(), [as_c](T p, T q) { return remainder(p, q, as_c); });
  });
}

const Op kOps[] = {
    {.name = "Pow", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_pow},
    {.name = "Mod", .min_inputs = 2, .max_inputs = 2, .since = 10, .run = run_mod},
};

}  // namespace

std::span<const Op> ops_power() { return kOps; }

}  // namespace bitwright
