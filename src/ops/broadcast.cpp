#include "ops/broadcast.hpp"

namespace bitwright {

Shape broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> out) {
  const Shape own = strides_of(shape);
  Shape strides(out.size(), 0);
  const size_t lead = out.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) strides[lead + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

void for_each_broadcast_row(const OpContext& c, std::span<const int64_t> a_shape, std::span<const int64_t> b_shape,
                            std::span<const int64_t> out, const std::function<void(const BroadcastRow&)>& f) {
  const int64_t count = elements_of(out);
  if (count == 0) return;
  constexpr int64_t kGrain = 1 << 15;
  if (elements_of(a_shape) == count && elements_of(b_shape) == count) {
    c.parallel(count, kGrain, [&](int64_t begin, int64_t end) { f({begin, begin, begin, end - begin, 1, 1}); });
    return;
  }
  const Shape sa = broadcast_strides(a_shape, out), sb = broadcast_strides(b_shape, out);
  const int64_t inner = out.empty() ? 1 : out.back();
  const int64_t step_a = out.empty() ? 0 : sa.back(), step_b = out.empty() ? 0 : sb.back();
  c.parallel(count / inner, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      BroadcastRow at{0, 0, row * inner, inner, step_a, step_b};
      int64_t rest = row;
      for (size_t d = out.size(); d-- > 1;) {
        const int64_t index = rest % out[d - 1];
        rest /= out[d - 1];
        at.a += index * sa[d - 1];
        at.b += index * sb[d - 1];
      }
      f(at);
    }
  });
}

}  // namespace bitwright
