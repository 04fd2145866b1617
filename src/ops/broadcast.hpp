// Elementwise computation with numpy broadcasting, shared by the binary operator families.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// How an operand of `shape` is walked inside an output of shape `out`: stride 0 along broadcast axes.
Shape broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> out);

/// One run along the last axis: where it begins in the operands and the output, its length, and the steps from element to
/// element of the operands (1, or 0 where the operand is broadcast).
struct BroadcastRow {
  int64_t a, b, y, count, step_a, step_b;
};

/// Calls f for every row of the output, from several threads. Operands that need no broadcasting come as few long rows.
void for_each_broadcast_row(const OpContext& c, std::span<const int64_t> a_shape, std::span<const int64_t> b_shape,
                            std::span<const int64_t> out, const std::function<void(const BroadcastRow&)>& f);

/// y[i] = f(a[i], b[i]) over the broadcast shape. `a`, `b`: raw pointers of their shapes; `y` row-major of shape `out`.
/// Instantiated for every element type of every operator: the walk is not in it, so that it compiles to two short loops.
template <class A, class B, class Y, class F>
void broadcast_apply(const OpContext& c, const A* a, std::span<const int64_t> a_shape, const B* b,
                     std::span<const int64_t> b_shape, Y* y, std::span<const int64_t> out, F f) {
  for_each_broadcast_row(c, a_shape, b_shape, out, [&](const BroadcastRow& row) {
    const A* x = a + row.a;
    const B* z = b + row.b;
    Y* to = y + row.y;
    if (row.step_a == 1 && row.step_b == 1) {
      for (int64_t i = 0; i < row.count; ++i) to[i] = f(x[i], z[i]);
    } else {
      for (int64_t i = 0; i < row.count; ++i) to[i] = f(x[i * row.step_a], z[i * row.step_b]);
    }
  });
}

}  // namespace bitwright
