// Elementwise computation with numpy broadcasting, shared by the binary operator families.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// How an operand of `shape` is walked inside an output of shape `out`: stride 0 along broadcast axes.
Shape broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> out);

/// y[i] = f(a[i], b[i]) over the broadcast shape. `a`, `b`: raw pointers of their shapes; `y` row-major of shape `out`.
template <class A, class B, class Y, class F>
void broadcast_apply(const OpContext& c, const A* a, std::span<const int64_t> a_shape, const B* b,
                     std::span<const int64_t> b_shape, Y* y, std::span<const int64_t> out, F f) {
  const int64_t count = elements_of(out);
  if (count == 0) return;
  constexpr int64_t kGrain = 1 << 15;
  if (elements_of(a_shape) == count && elements_of(b_shape) == count) {
    c.parallel(count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = f(a[i], b[i]);
    });
    return;
  }
  const Shape sa = broadcast_strides(a_shape, out), sb = broadcast_strides(b_shape, out);
  const int64_t inner = out.empty() ? 1 : out.back();
  const int64_t inner_a = out.empty() ? 0 : sa.back(), inner_b = out.empty() ? 0 : sb.back();
  c.parallel(count / inner, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t at_a = 0, at_b = 0, rest = row;
      for (size_t d = out.size(); d-- > 1;) {
        const int64_t index = rest % out[d - 1];
        rest /= out[d - 1];
        at_a += index * sa[d - 1];
        at_b += index * sb[d - 1];
      }
      Y* to = y + row * inner;
      for (int64_t i = 0; i < inner; ++i) to[i] = f(a[at_a + i * inner_a], b[at_b + i * inner_b]);
    }
  });
}

}  // namespace bitwright
