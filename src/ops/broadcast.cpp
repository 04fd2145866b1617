#include "ops/broadcast.hpp"

namespace bitwright {

Shape broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> out) {
  const Shape own = strides_of(shape);
  Shape strides(out.size(), 0);
  const size_t lead = out.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) strides[lead + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

}  // namespace bitwright
