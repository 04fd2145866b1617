// The functions of rows.hpp on one vector or one row, for every instruction set (vectors.hpp): what rows and the products
// that end in one of them share.
#pragma once

#include "kernels/rows/vectors.hpp"

namespace bitwright {
namespace {

// Phi(a) - 1/2 for 0 <= a < 6 on 16 intervals of 3/8: a polynomial around each one's middle, highest power first
// (absolute error 3e-8); beyond, 1/2.
constexpr float kNormal[6][16] = {
    {0.00905073993f, 0.00340113277f, -0.00317290751f, -0.00608993275f, -0.00476735411f, -0.00176498946f, 0.000435214635f,
     0.00114379486f, 0.000934223237f, 0.00051433756f, 0.000216559056f, 7.31281689e-05f, 2.02836454e-05f, 4.68648705e-06f,
     9.10180233e-07f, 0.0f},
    {0.00900115911f, 0.0212538689f, 0.0211770106f, 0.011764803f, 0.00109229982f, -0.00505665783f, -0.00607665069f,
     -0.00439510588f, -0.00236907369f, -0.0010157465f, -0.000356801174f, -0.000104368642f, -2.56797339e-05f, -5.35073877e-06f,
     -9.48657657e-07f, 0.0f},
    {-0.0630338714f, -0.0388014838f, -0.00518908771f, 0.0203049872f, 0.029581137f, 0.0257894993f, 0.0168444552f,
     0.00880210195f, 0.003788047f, 0.00136368175f, 0.000414555252f, 0.000107082407f, 2.36044689e-05f, 4.45421938e-06f,
     7.21227707e-07f, 0.0f},
    {-0.036748115f, -0.0957824439f, -0.120501779f, -0.110639118f, -0.081052728f, -0.0490408428f, -0.0249271356f,
     -0.0107474485f, -0.00395427225f, -0.00124649331f, -0.000337587117f, -7.87103563e-05f, -1.58228304e-05f, -2.74565218e-06f,
     -4.11631959e-07f, 0.0f},
    {0.3919909f, 0.340567589f, 0.257073909f, 0.168593183f, 0.0960615054f, 0.0475538895f, 0.0204526726f, 0.00764260488f,
     0.00248119072f, 0.000699852128f, 0.000171506239f, 3.65158303e-05f, 6.75476394e-06f, 1.08559323e-06f, 1.51583649e-07f,
     0.0f},
    {0.0743656829f, 0.213112295f, 0.325749278f, 0.40532425f, 0.454246372f, 0.480419934f, 0.492605388f, 0.497542113f,
     0.499282449f, 0.499816328f, 0.499958843f, 0.499991924f, 0.499998629f, 0.499999791f, 0.49999997f, 0.5f}};

/// x Phi(x) = x / 2 + |x| (Phi(|x|) - 1/2).
struct Gelu {
  Table16 c5{kNormal[0]}, c4{kNormal[1]}, c3{kNormal[2]}, c2{kNormal[3]}, c1{kNormal[4]}, c0{kNormal[5]};
  BW_INLINE F operator()(F x) const {
    const F a = magnitude(x), inside = minimum(a, splat(5.9999995f));
    const I at = truncated(inside * splat(8.0f / 3));
    const F t = fma(as_floats(at), splat(-0.375f), inside - splat(0.1875f));
    F p = fma(c5[at], t, c4[at]);
    p = fma(p, t, c3[at]);
    p = fma(p, t, c2[at]);
    p = fma(p, t, c1[at]);
    return fma(a, fma(p, t, c0[at]), x * splat(0.5f));
  }
};

struct Sigmoid {
  BW_INLINE F operator()(F x) const {
    const F e = exponential(maximum(minimum(splat(0.0f) - x, splat(88.0f)), splat(-87.0f)));
    return ordered(x, splat(1.0f) / (e + splat(1.0f)), x);
  }
};

/// An odd polynomial near 0, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
struct Tanh {
  BW_INLINE F operator()(F x) const {
    const F a = magnitude(x), z = x * x;
    F p = fma(splat(-0.00570498779f), z, splat(0.020639088f));
    p = fma(p, z, splat(-0.0537397154f));
    p = fma(p, z, splat(0.133314416f));
    p = fma(p, z, splat(-0.333332807f));
    const F near = fma(p * z, x, x);
    const F e = exponential(minimum(a + a, splat(80.0f)));
    const F far = splat(1.0f) - splat(2.0f) / (e + splat(1.0f));
    return ordered(x, less(a, splat(0.625f), near, less(x, splat(0.0f), splat(0.0f) - far, far)), x);
  }
};

struct Swish {
  BW_INLINE F operator()(F x) const { return x * Sigmoid()(x); }
};

/// Least and greatest value so far, NaN left out.
struct Range {
  F lo = splat(0.0f), hi = splat(0.0f);
  BW_INLINE void see(F x) {
    lo = minimum(x, lo);
    hi = maximum(x, hi);
  }
  BW_INLINE void merge_into(float* range) const {
    const float most = most_of(hi), least = -most_of(splat(0.0f) - lo);
    if (least < range[0]) range[0] = least;
    if (most > range[1]) range[1] = most;
  }
};

/// dst[i] = f(src[i]), i < count; dst may be src.
template <class Function>
BW_INLINE void map(const Function& f, const float* src, float* dst, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(dst + i, f(load(src + i)));
  if (i < count) store(dst + i, f(load(src + i, count - i, 0)), count - i);
}

/// Sums f(x) over a row into the partial sums: element i goes to sum i % kSums. f(filler) must be 0.
template <class Function>
BW_INLINE float sum_row(const Function& f, const float* row, int64_t length, float filler) {
  F sum[kParts];
  BW_UNROLL
  for (int part = 0; part < kParts; ++part) sum[part] = splat(0.0f);
  int64_t i = 0;
  for (; i + kSums <= length; i += kSums) {
    BW_UNROLL
    for (int part = 0; part < kParts; ++part) sum[part] = sum[part] + f(load(row + i + part * kLanes));
  }
  BW_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const int64_t at = i + part * kLanes;
    if (at < length) sum[part] = sum[part] + f(load(row + at, length - at, filler));
  }
  return sum_of(sum);
}

BW_INLINE float most_of_row(const float* row, int64_t length) {
  F most = splat(-__builtin_inff());
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) most = maximum(load(row + i), most);
  if (i < length) most = maximum(load(row + i, length - i, -__builtin_inff()), most);
  return most_of(most);
}

/// dst = exp(src - most), whose sum it returns; dst may be src.
BW_INLINE float exponentials_of_row(const float* src, float* dst, int64_t length, float most) {
  const F shift = splat(most);
  F sum[kParts];
  BW_UNROLL
  for (int part = 0; part < kParts; ++part) sum[part] = splat(0.0f);
  int64_t i = 0;
  for (; i + kSums <= length; i += kSums) {
    BW_UNROLL
    for (int part = 0; part < kParts; ++part) {
      const F x = exponential_down(load(src + i + part * kLanes) - shift);
      store(dst + i + part * kLanes, x);
      sum[part] = sum[part] + x;
    }
  }
  BW_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const int64_t at = i + part * kLanes;
    if (at >= length) break;
    store(dst + at, exponential_down(load(src + at, length - at, 0) - shift), length - at);
    sum[part] = sum[part] + load(dst + at, length - at, 0);
  }
  return sum_of(sum);
}

struct LayerNorm {
  const float* scale;  // [length]
  const float* bias;   // [length] or null
  float epsilon;

  BW_INLINE void operator()(const float* src, float* dst, int64_t length, Range& range) const {
    const auto count = static_cast<float>(length);
    const float mean = sum_row([](F x) BW_INLINE_LAMBDA { return x; }, src, length, 0.0f) / count;
    const F middle = splat(mean);
    const auto square = [middle](F x) BW_INLINE_LAMBDA {
      const F d = x - middle;
      return d * d;
    };
    const float variance = sum_row(square, src, length, mean) / count;
    const F factor = splat(1.0f / __builtin_sqrtf(variance + epsilon));
    for (int64_t i = 0; i < length; i += kLanes) {
      const int64_t left = length - i;
      const F x = (load(src + i, left, mean) - middle) * factor;
      const F y = fma(x, load(scale + i, left, 0), bias ? load(bias + i, left, 0) : splat(0.0f));
      range.see(y);
      store(dst + i, y, left);
    }
  }
};

struct RmsNorm {
  const float* scale;  // [length]
  float epsilon;

  BW_INLINE void operator()(const float* src, float* dst, int64_t length, Range& range) const {
    const float squares = sum_row([](F x) BW_INLINE_LAMBDA { return x * x; }, src, length, 0.0f);
    const F factor = splat(1.0f / __builtin_sqrtf(squares / static_cast<float>(length) + epsilon));
    for (int64_t i = 0; i < length; i += kLanes) {
      const int64_t left = length - i;
      const F y = load(src + i, left, 0) * factor * load(scale + i, left, 0);
      range.see(y);
      store(dst + i, y, left);
    }
  }
};

}  // namespace
}  // namespace bitwright
