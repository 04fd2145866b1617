#include "ops/unary.hpp"

namespace bitwright {

void load_narrow(const Tensor& x, int64_t at, int64_t count, float* to) {
  auto load = [&](const auto* from) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  };
  x.dtype() == DType::f16 ? load(x.values<Half>().data() + at) : load(x.values<BFloat16>().data() + at);
}

void store_narrow(Tensor& y, int64_t at, int64_t count, const float* from) {
  auto store = [&]<class T>(T* to) {
    for (int64_t i = 0; i < count; ++i) to[i] = T(from[i]);
  };
  y.dtype() == DType::f16 ? store(y.values<Half>().data() + at) : store(y.values<BFloat16>().data() + at);
}

}  // namespace bitwright
