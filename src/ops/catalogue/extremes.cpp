// Sum, Mean, Max, Min of any number of operands, folded from the left with numpy broadcasting. NaN wins in Max and Min.
#include <algorithm>

#include "ops/broadcast.hpp"
#include "ops/convert.hpp"
#include "ops/forms.hpp"

namespace bitwright {
namespace {

template <class F>
Tensor pair(const OpContext& c, const Tensor& a, const Tensor& b, F f) {
  Tensor y(a.dtype(), broadcast_shapes(c, a.shape(), b.shape()));
  dispatch(a.dtype(), [&]<class T>(T*) {
    broadcast_apply(c, a.values<T>().data(), a.shape(), b.values<T>().data(), b.shape(), y.values<T>().data(), y.shape(), f);
  });
  return y;
}

// The result, or an empty tensor where only shapes are wanted (the output is made then).
template <class F>
Tensor fold(OpContext& c, F f) {
  const DType type = c.input(0).dtype();
  Shape shape = c.input(0).shape();
  for (size_t i = 1; i < c.input_count(); ++i) {
    if (c.input(i).dtype() != type)
      c.malformed(str("operand ", i, " is ", name_of(c.input(i).dtype()), ", the first is ", name_of(type)));
    shape = broadcast_shapes(c, shape, c.input(i).shape());
  }
  if (c.shape_only()) return c.output(0, type, shape), Tensor();
  Tensor y = c.data(0);
  for (size_t i = 1; i < c.input_count(); ++i) y = pair(c, y, c.data(i), f);
  c.forward(0, y);
  return y;
}

template <class T>
bool is_nan(T v) {
  if constexpr (std::is_integral_v<T>) return false;
  else return v != v;
}

template <class T>
T sum(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return T(a + b);
}

void run_sum(OpContext& c) {
  fold(c, []<class T>(T a, T b) { return sum(a, b); });
}
void run_max(OpContext& c) {
  fold(c, []<class T>(T a, T b) { return is_nan(a) || a > b ? a : b; });
}
void run_min(OpContext& c) {
  fold(c, []<class T>(T a, T b) { return is_nan(a) || a < b ? a : b; });
}

void run_mean(OpContext& c) {
  const Tensor total = fold(c, []<class T>(T a, T b) { return sum(a, b); });
  if (total.empty()) return;
  std::vector<double> values(static_cast<size_t>(total.elements()));
  read_numbers(total, 0, total.elements(), values.data());
  for (double& v : values) v /= static_cast<double>(c.input_count());
  Tensor y = c.output(0, total.dtype(), total.shape());
  write_numbers(y, 0, y.elements(), values.data());
}

// Broadcasting came with opset 8.
bool downgrade_extreme(UpgradeContext& u) {
  for (size_t i = 0; i < u.node.inputs.size(); ++i) {
    const Shape *first = known_shape(u, 0), *shape = known_shape(u, i);
    if (!first || !shape || *first != *shape || std::count(shape->begin(), shape->end(), kUnknownDim)) return false;
  }
  return u.opset >= 6;
}

const Op kOps[] = {
    {.name = "Sum", .max_inputs = -1, .since = 8, .run = run_sum, .downgrade = downgrade_extreme,
     .quant = {.kind = QuantRule::Kind::rescale, .data_inputs = {}}},
    {.name = "Mean", .max_inputs = -1, .since = 8, .run = run_mean, .downgrade = downgrade_extreme},
    {.name = "Max", .max_inputs = -1, .since = 8, .run = run_max, .downgrade = downgrade_extreme},
    {.name = "Min", .max_inputs = -1, .since = 8, .run = run_min, .downgrade = downgrade_extreme},
};

}  // namespace

std::span<const Op> ops_extremes() { return kOps; }

}  // namespace bitwright
