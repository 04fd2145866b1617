#include "ops/real.hpp"

#include <limits>

namespace bitwright {

DType real_type(const OpContext& c, size_t i) {
  const DType type = c.input(i).dtype();
  if (type != DType::f32 && type != DType::f16 && type != DType::bf16 && type != DType::f64)
    c.malformed(str("input ", i, " is ", name_of(type), ", wanted f16, bf16, f32 or f64"));
  return type;
}

RealOutput::RealOutput(OpContext& c, size_t i, DType type, Shape shape)
    : result_(c.output(i, type, std::move(shape))) {
  if (c.shape_only()) return;
  work_ = type == DType::f32 ? result_ : Tensor(DType::f32, result_.shape());
}

void RealOutput::finish() {
  if (result_.dtype() == DType::f32) return;
  const auto from = work_.values<float>();
  dispatch(result_.dtype(), [&]<class T>(T*) {
    const auto to = result_.values<T>();
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {  // towards zero, within the type's range
      constexpr auto low = static_cast<double>(std::numeric_limits<T>::min());
      constexpr auto high = static_cast<double>(std::numeric_limits<T>::max());
      for (size_t i = 0; i < to.size(); ++i) {
        const auto v = static_cast<double>(from[i]);
        to[i] = v >= high ? std::numeric_limits<T>::max() : v > low ? static_cast<T>(v) : std::numeric_limits<T>::min();
      }
    } else {
      for (size_t i = 0; i < to.size(); ++i) to[i] = T(from[i]);
    }
  });
}

float real_scalar(const OpContext& c, size_t i, float fallback) {
  if (!c.has(i)) return fallback;
  const Tensor& tensor = c.data(i);
  if (tensor.elements() < 1) c.malformed(str("input ", i, " is empty, wanted one number"));
  return static_cast<float>(value_as_double(tensor, 0));
}

}  // namespace bitwright
