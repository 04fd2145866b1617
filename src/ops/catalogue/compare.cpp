// Equal, Less, Greater and their like: two operands of one type, booleans out. NaN compares as false.
#include "ops/broadcast.hpp"

namespace bitwright {
namespace {

template <class F>
void run_comparison(OpContext& c, F f) {
  const Tensor &a = c.input(0), &b = c.input(1);
  if (a.dtype() != b.dtype()) c.malformed(str("operands are ", name_of(a.dtype()), " and ", name_of(b.dtype())));
  Tensor y = c.output(0, DType::boolean, broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  bool* to = y.values<bool>().data();
  if (a.dtype() == DType::string) {
    return broadcast_apply(c, c.data(0).strings().data(), a.shape(), c.data(1).strings().data(), b.shape(), to,
                           y.shape(), f);
  }
  dispatch(a.dtype(), [&]<class T>(T*) {
    broadcast_apply(c, c.data(0).values<T>().data(), a.shape(), c.data(1).values<T>().data(), b.shape(), to, y.shape(), f);
  });
}

void run_equal(OpContext& c) {
  run_comparison(c, [](const auto& a, const auto& b) { return a == b; });
}
void run_less(OpContext& c) {
  run_comparison(c, [](const auto& a, const auto& b) { return a < b; });
}
void run_greater(OpContext& c) {
  run_comparison(c, [](const auto& a, const auto& b) { return a > b; });
}
void run_less_or_equal(OpContext& c) {
  run_comparison(c, [](const auto& a, const auto& b) { return a <= b; });
}
void run_greater_or_equal(OpContext& c) {
  run_comparison(c, [](const auto& a, const auto& b) { return a >= b; });
}

const Op kOps[] = {
    {.name = "Equal", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_equal},
    {.name = "Less", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_less},
    {.name = "Greater", .min_inputs = 2, .max_inputs = 2, .since = 7, .run = run_greater},
    {.name = "LessOrEqual", .min_inputs = 2, .max_inputs = 2, .since = 12, .run = run_less_or_equal},
    {.name = "GreaterOrEqual", .min_inputs = 2, .max_inputs = 2, .since = 12, .run = run_greater_or_equal},
};

}  // namespace

std::span<const Op> ops_compare() { return kOps; }

}  // namespace bitwright
