#include <cmath>

#include "kernels/elementwise/codes.hpp"

namespace bitwright {
namespace {

float value(Affine q, int32_t code) { return static_cast<float>(code - q.zero) * q.scale; }

// Clamped before the conversion, so that infinities saturate; a NaN (inf - inf) gives lo, as maxps does.
int32_t code_of(float x, Affine q, int32_t lo, int32_t hi) {
  const float least = static_cast<float>(lo - q.zero), most = static_cast<float>(hi - q.zero);
  float v = x / q.scale;
  v = v > least ? v : least;
  v = v < most ? v : most;
  return static_cast<int32_t>(std::lrint(v)) + q.zero;
}

template <class F>
void binary(const BinaryArgs& args, int64_t begin, int64_t end, F&& f) {
  for (int64_t i = begin; i < end; ++i) {
    const float a = value(args.qa, load(args.a, args.a_type, i * args.a_step));
    const float b = value(args.qb, load(args.b, args.b_type, i * args.b_step));
    save(args.dst, args.dst_type, i, code_of(f(a, b), args.qy, args.lo, args.hi));
  }
}

template <class F>
void binary_u8(const BinaryArgs& args, int64_t begin, int64_t end, F&& f) {
  const auto *a = static_cast<const uint8_t*>(args.a), *b = static_cast<const uint8_t*>(args.b);
  auto* dst = static_cast<uint8_t*>(args.dst);
  const float least = static_cast<float>(args.lo), most = static_cast<float>(args.hi);
  for (int64_t i = begin; i < end; ++i) {
    const float v = f(a[i * args.a_step], b[i * args.b_step]);
    dst[i] = static_cast<uint8_t>(std::lrint(v < least ? least : v > most ? most : v));
  }
}

}  // namespace

void lookup_ref(const LookupArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) args.dst[i] = args.table[args.src[i]];
}

void set_add(BinaryArgs& args) noexcept {
  args.ka = args.qa.scale / args.qy.scale;
  args.kb = args.qb.scale / args.qy.scale;
  const float zeros = std::fma(args.ka, static_cast<float>(args.qa.zero), args.kb * static_cast<float>(args.qb.zero));
  args.k = static_cast<float>(args.qy.zero) - zeros;
}

void set_mul(BinaryArgs& args) noexcept { args.k = args.qa.scale * args.qb.scale / args.qy.scale; }

void add_u8_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary_u8(args, begin, end, [&](int32_t a, int32_t b) {
    return std::fma(static_cast<float>(a), args.ka, std::fma(static_cast<float>(b), args.kb, args.k));
  });
}

void mul_u8_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary_u8(args, begin, end, [&](int32_t a, int32_t b) {
    const float product = static_cast<float>((a - args.qa.zero) * (b - args.qb.zero)) * args.k;
    return product + static_cast<float>(args.qy.zero);
  });
}

void add_float_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary(args, begin, end, [](float a, float b) { return a + b; });
}

void mul_float_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary(args, begin, end, [](float a, float b) { return a * b; });
}

void quantize_ref(const QuantizeArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) save(args.dst, args.dst_type, i, code_of(args.src[i], args.q, args.lo, args.hi));
}

void dequantize_ref(const DequantizeArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) args.dst[i] = value(args.q, load(args.src, args.src_type, i));
}

void range_ref(const RangeArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) {
    if (args.src[i] < *args.lo) *args.lo = args.src[i];
    if (args.src[i] > *args.hi) *args.hi = args.src[i];
  }
}

Affine dynamic_codes(float lo, float hi) noexcept {
  if (!(hi > lo)) return {1.0f, 0};
  const float scale = (hi - lo) / 255.0f;
  const float zero = std::nearbyint(-lo / scale);
  return {scale, static_cast<int32_t>(zero < 0 ? 0 : zero > 255 ? 255 : zero)};
}

}  // namespace bitwright
