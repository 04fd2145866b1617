#include "runtime/products.hpp"

namespace bitwright {

std::vector<int64_t> product_starts(const Shape& shape, const Shape& result) {
  const size_t batch = result.size() - 2, missing = result.size() - shape.size();
  std::vector<int64_t> at = {0};
  int64_t stride = shape[shape.size() - 2] * shape.back();
  for (size_t d = batch; d-- > 0;) {
    const int64_t extent = d < missing ? 1 : shape[d - missing];
    std::vector<int64_t> outer;
    for (int64_t i = 0; i < result[d]; ++i)
      for (const int64_t inner : at) outer.push_back(inner + (extent == 1 ? 0 : i * stride));
    at = std::move(outer);
    stride *= extent;
  }
  return at;
}

}  // namespace bitwright
