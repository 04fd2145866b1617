// y[i] = f(x[i]) for float tensors. f takes and returns float or double; 16-bit floats are computed in float and rounded
// once. Blocks keep the conversions in the first cache.
#pragma once

#include <algorithm>
#include <array>
#include <limits>

#include "ops/real.hpp"

namespace bitwright {

/// Elements of f16 or bf16 tensors as float and back.
void load_narrow(const Tensor& x, int64_t at, int64_t count, float* to);
void store_narrow(Tensor& y, int64_t at, int64_t count, const float* from);

/// Towards zero; what T cannot hold becomes its limit.
template <class T>
T saturated(double x) {
  using Limits = std::numeric_limits<T>;
  if (!(x > static_cast<double>(Limits::min()))) return Limits::min();
  return x >= static_cast<double>(Limits::max()) ? Limits::max() : static_cast<T>(x);
}

/// For operators that take numbers of all kinds: integers go through double and lose what is behind the point.
template <class F>
void run_unary_of_numbers(OpContext& c, F f);

template <class F>
void run_unary(OpContext& c, F f) {
  const DType type = real_type(c, 0);
  Tensor y = c.output(0, type, c.input(0).shape());
  if (c.shape_only()) return;
  const Tensor& x = c.data(0);
  auto apply = [&]<class T>(T*) {
    const T* from = x.values<T>().data();
    T* to = y.values<T>().data();
    c.parallel(x.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = f(from[i]);
    });
  };
  if (type == DType::f32) return apply(static_cast<float*>(nullptr));
  if (type == DType::f64) return apply(static_cast<double*>(nullptr));
  c.parallel(x.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 512;
    std::array<float, kBlock> block;
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t count = std::min(kBlock, end - at);
      load_narrow(x, at, count, block.data());
      for (int64_t i = 0; i < count; ++i) block[static_cast<size_t>(i)] = f(block[static_cast<size_t>(i)]);
      store_narrow(y, at, count, block.data());
    }
  });
}

template <class F>
void run_unary_of_numbers(OpContext& c, F f) {
  const DType type = c.input(0).dtype();
  if (!is_integer(type)) return run_unary(c, f);
  Tensor y = c.output(0, type, c.input(0).shape());
  if (c.shape_only()) return;
  dispatch(type, [&]<class T>(T*) {
    if constexpr (std::is_integral_v<T>) {
      const T* from = c.data(0).values<T>().data();
      T* to = y.values<T>().data();
      c.parallel(y.elements(), 1 << 14, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = saturated<T>(f(static_cast<double>(from[i])));
      });
    }
  });
}

}  // namespace bitwright
