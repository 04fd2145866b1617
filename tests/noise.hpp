// Random tensors for tests: the same numbers for the same seed.
#pragma once

#include <random>

#include "core/tensor.hpp"

namespace bitwright {

/// Normal numbers of mean 0 and this standard deviation.
inline Tensor noise(Shape shape, float deviation, std::mt19937& random) {
  Tensor t(DType::f32, std::move(shape));
  std::normal_distribution<float> normal(0, deviation);
  for (float& v : t.values<float>()) v = normal(random);
  return t;
}

inline Tensor noise(Shape shape, float deviation, uint32_t seed) {
  std::mt19937 random(seed);
  return noise(std::move(shape), deviation, random);
}

}  // namespace bitwright
