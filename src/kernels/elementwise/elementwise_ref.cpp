#include <cmath>

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

int32_t load(const void* data, DType type, int64_t i) {
  switch (type) {
    case DType::u8: return static_cast<const uint8_t*>(data)[i];
    case DType::i8: return static_cast<const int8_t*>(data)[i];
    case DType::u16: return static_cast<const uint16_t*>(data)[i];
    default: return static_cast<const int16_t*>(data)[i];
  }
}

void save(void* data, DType type, int64_t i, int32_t code) {
  switch (type) {
    case DType::u8: static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(code); return;
    case DType::i8: static_cast<int8_t*>(data)[i] = static_cast<int8_t>(code); return;
    case DType::u16: static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(code); return;
    default: static_cast<int16_t*>(data)[i] = static_cast<int16_t>(code); return;
  }
}

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

}  // namespace

void lookup_ref(const LookupArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) args.dst[i] = args.table[args.src[i]];
}

void add_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary(args, begin, end, [](float a, float b) { return a + b; });
}

void mul_ref(const BinaryArgs& args, int64_t begin, int64_t end) noexcept {
  binary(args, begin, end, [](float a, float b) { return a * b; });
}

void quantize_ref(const QuantizeArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) {
    const float x = std::isnan(args.src[i]) ? 0.0f : args.src[i];
    save(args.dst, args.dst_type, i, code_of(x, args.q, args.lo, args.hi));
  }
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

namespace {

// The taps of one output coordinate that lie within [0, extent), as source coordinates first + i * dilation.
struct Taps {
  int64_t first, count;
};

Taps taps_within(int64_t o, int64_t stride, int64_t pad, int64_t k, int64_t dilation, int64_t begin, int64_t end) {
  Taps taps{0, 0};
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = o * stride - pad + i * dilation;
    if (at < begin || at >= end) continue;
    if (taps.count++ == 0) taps.first = at;
  }
  return taps;
}

struct Window {
  int64_t image;
  Taps y, x;
  int64_t count;  // that the mean divides by
};

Window window_of(const PoolArgs& p, int64_t row) {
  const int64_t oy = row / p.ow % p.oh, ox = row % p.ow;
  Window w{row / (p.oh * p.ow), taps_within(oy, p.stride_h, p.pad_top, p.kh, p.dilation_h, 0, p.h),
           taps_within(ox, p.stride_w, p.pad_left, p.kw, p.dilation_w, 0, p.w), 0};
  w.count = w.y.count * w.x.count;
  if (p.count_padding)
    w.count = taps_within(oy, p.stride_h, p.pad_top, p.kh, p.dilation_h, -p.pad_top, p.h + p.pad_bottom).count *
              taps_within(ox, p.stride_w, p.pad_left, p.kw, p.dilation_w, -p.pad_left, p.w + p.pad_right).count;
  return w;
}

template <class F>
void each_tap(const PoolArgs& p, const Window& w, F&& f) {
  for (int64_t i = 0; i < w.y.count; ++i)
    for (int64_t j = 0; j < w.x.count; ++j) {
      const int64_t y = w.y.first + i * p.dilation_h, x = w.x.first + j * p.dilation_w;
      f(((w.image * p.h + y) * p.w + x) * p.c);
    }
}

}  // namespace

void max_pool_ref(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const Window w = window_of(p, row);
    for (int64_t c = 0; c < p.c; ++c) {
      int32_t most = p.requantize.lo;
      each_tap(p, w, [&](int64_t at) {
        const int32_t code = load(p.src, p.type, at + c);
        most = code > most ? code : most;
      });
      save(p.dst, p.type, row * p.c + c, most < p.requantize.hi ? most : p.requantize.hi);
    }
  }
}

void average_pool_ref(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const Window w = window_of(p, row);
    for (int64_t c = 0; c < p.c; ++c) {
      int64_t sum = 0;
      each_tap(p, w, [&](int64_t at) { sum += load(p.src, p.type, at + c) - p.src_zero; });
      const int32_t code = w.count ? requantize(p.requantize, sum, w.count - p.first_count) : p.requantize.zero_point;
      save(p.dst, p.type, row * p.c + c, code);
    }
  }
}

}  // namespace bitwright
