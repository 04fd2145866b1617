// The functions of rows.hpp, for one instruction set: rows_<isa>.cpp includes this with BW_ROWS_NAME and the number of floats
// in its registers, BW_ROWS_LANES. Everything has internal linkage. The vectors are the compilers' own (GCC and Clang).
//
// Sums are 16 partial sums whatever the registers hold: element i goes to sum i % 16.
#pragma once

#include "kernels/attributes.hpp"
#include "kernels/rows/rows.hpp"

namespace bitwright {
namespace {

constexpr int kLanes = BW_ROWS_LANES, kSums = 16, kParts = kSums / kLanes;
typedef float F __attribute__((vector_size(4 * kLanes)));
typedef int32_t I __attribute__((vector_size(4 * kLanes)));

#define BW_ROWS_INLINE inline __attribute__((always_inline))

BW_ROWS_INLINE void load(F& to, const float* from, int64_t count, float filler) {
  if (count >= kLanes) {
    __builtin_memcpy(&to, from, sizeof to);
    return;
  }
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i < count ? from[i] : filler;
  __builtin_memcpy(&to, lanes, sizeof to);
}

BW_ROWS_INLINE void store(float* to, const F& from, int64_t count) {
  __builtin_memcpy(to, &from, count >= kLanes ? sizeof from : static_cast<unsigned long>(count) * sizeof(float));
}

/// mask ? a : b, lane by lane; a mask is all ones or zeros.
BW_ROWS_INLINE void select(F& to, const I& mask, const F& a, const F& b) { to = (F)((mask & (I)a) | (~mask & (I)b)); }

BW_ROWS_INLINE void clamp(F& x, float lo, float hi) {
  const F least = F{} + lo, most = F{} + hi;
  select(x, x < least, least, x);
  select(x, x > most, most, x);
}

/// x = exp(x) of x in [-87, 88]: 2^n times a polynomial in what is left of x, |r| <= ln 2 / 2, whose coefficients are fitted to
/// (exp(r) - 1 - r) / r^2 (relative error 2e-9).
BW_ROWS_INLINE void exponential(F& x) {
  clamp(x, -87.0f, 88.0f);
  const F magic = F{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits
  const F shifted = x * 1.44269504f + magic;
  const F n = shifted - magic;
  const F r = (x - n * 0.693359375f) - n * -2.12194440e-4f;  // ln 2 in two parts, the first exact in few bits
  F p = r * 1.9899319e-4f + 1.3933677e-3f;
  p = p * r + 8.333298e-3f;
  p = p * r + 4.1666463e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  const I power = ((I)shifted - 0x4b400000 + 127) << 23;
  x = p * (F)power;
}

/// x = erfc(x) for x >= 0: t exp(-x^2 + p(t)), t = 1 / (1 + x / 2), p fitted to the logarithm (relative error 7e-8).
BW_ROWS_INLINE void complementary_error(F& x) {
  static constexpr float kP[] = {0.167381f,  -0.80132526f, 1.4355454f, -1.0600994f, 0.21378274f,
                                 -0.150773f, 0.08468209f,  0.3765502f, 0.9997568f,  -1.2655005f};
  const F t = 1.0f / (x * 0.5f + 1.0f);
  F p = F{} + kP[0];
  for (int i = 1; i < 10; ++i) p = p * t + kP[i];
  F e = p - x * x;
  exponential(e);
  x = t * e;
}

struct Gelu {
  BW_ROWS_INLINE void operator()(F& x) const {
    F z = x * 0.70710678f;
    select(z, z < 0.0f, -z, z);
    clamp(z, 0.0f, 9.0f);
    complementary_error(z);
    F phi = z * 0.5f;  // of -|x|
    select(phi, x > 0.0f, 1.0f - phi, phi);
    x = x * phi;
  }
};

struct Sigmoid {
  BW_ROWS_INLINE void operator()(F& x) const {
    F e = -x;
    exponential(e);
    x = 1.0f / (e + 1.0f);
  }
};

struct Swish {
  BW_ROWS_INLINE void operator()(F& x) const {
    F s = x;
    Sigmoid()(s);
    x = x * s;
  }
};

/// f of every element; a NaN stays one.
template <class Function>
BW_ROWS_INLINE void map(const RowsArgs& args, int64_t row0, int64_t row1) {
  const int64_t end = row1 * args.length;
  for (int64_t i = row0 * args.length; i < end; i += kLanes) {
    F x;
    load(x, args.src + i, end - i, 0);
    const F before = x;
    Function()(x);
    select(x, before == before, x, before);
    store(args.dst + i, x, end - i);
  }
}

/// The 16 partial sums added pairwise.
BW_ROWS_INLINE float sum_of(const F (&x)[kParts]) {
  float lanes[kSums];
  __builtin_memcpy(lanes, &x, sizeof x);
  for (int step = kSums / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) lanes[i] = lanes[i] + lanes[i + step];
  return lanes[0];
}

BW_ROWS_INLINE float most_of(const float* row, int64_t length) {
  F most = F{} - __builtin_inff();
  for (int64_t i = 0; i < length; i += kLanes) {
    F x;
    load(x, row + i, length - i, -__builtin_inff());
    select(most, x > most, x, most);
  }
  float lanes[kLanes];
  __builtin_memcpy(lanes, &most, sizeof most);
  for (int i = 1; i < kLanes; ++i) lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}

BW_ROWS_INLINE void softmax_row(const float* src, float* dst, int64_t length) {
  const float most = most_of(src, length);
  F sum[kParts] = {};
  for (int64_t i = 0; i < length; i += kSums)
    for (int part = 0; part < kParts && i + part * kLanes < length; ++part) {
      const int64_t at = i + part * kLanes;
      F x;
      load(x, src + at, length - at, -__builtin_inff());
      x = x - most;
      const F below = x;
      exponential(x);
      select(x, below < -87.0f, F{}, x);
      select(x, below == below, x, below);
      sum[part] = sum[part] + x;
      store(dst + at, x, length - at);
    }
  const F factor = F{} + 1.0f / sum_of(sum);
  for (int64_t i = 0; i < length; i += kLanes) {
    F x;
    load(x, dst + i, length - i, 0);
    x = x * factor;
    store(dst + i, x, length - i);
  }
}

BW_ROWS_INLINE float mean_of(const float* row, int64_t length) {
  F sum[kParts] = {};
  for (int64_t i = 0; i < length; i += kSums)
    for (int part = 0; part < kParts && i + part * kLanes < length; ++part) {
      F x;
      load(x, row + i + part * kLanes, length - i - part * kLanes, 0);
      sum[part] = sum[part] + x;
    }
  return sum_of(sum) / static_cast<float>(length);
}

BW_ROWS_INLINE float variance_of(const float* row, int64_t length, float mean) {
  F sum[kParts] = {};
  for (int64_t i = 0; i < length; i += kSums)
    for (int part = 0; part < kParts && i + part * kLanes < length; ++part) {
      F x;
      load(x, row + i + part * kLanes, length - i - part * kLanes, mean);
      x = x - mean;
      sum[part] = sum[part] + x * x;
    }
  return sum_of(sum) / static_cast<float>(length);
}

BW_ROWS_INLINE void layer_norm_row(const RowsArgs& args, const float* src, float* dst) {
  const int64_t length = args.length;
  const float mean = mean_of(src, length);
  const float deviation = __builtin_sqrtf(variance_of(src, length, mean) + args.epsilon);
  const F factor = F{} + 1.0f / deviation;
  for (int64_t i = 0; i < length; i += kLanes) {
    F x, scale, bias = F{};
    load(x, src + i, length - i, 0);
    load(scale, args.scale + i, length - i, 0);
    if (args.bias) load(bias, args.bias + i, length - i, 0);
    x = (x - mean) * factor * scale + bias;
    store(dst + i, x, length - i);
  }
}

}  // namespace

void BW_ROWS_NAME(softmax)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  for (int64_t r = row0; r < row1; ++r) softmax_row(args.src + r * args.length, args.dst + r * args.length, args.length);
}
void BW_ROWS_NAME(layer_norm)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept {
  for (int64_t r = row0; r < row1; ++r) layer_norm_row(args, args.src + r * args.length, args.dst + r * args.length);
}
void BW_ROWS_NAME(gelu)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map<Gelu>(args, row0, row1); }
void BW_ROWS_NAME(sigmoid)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map<Sigmoid>(args, row0, row1); }
void BW_ROWS_NAME(swish)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept { map<Swish>(args, row0, row1); }

}  // namespace bitwright
