#include "kernels/conv/conv.hpp"

namespace bitwright {
namespace {

struct Pixel {
  int64_t image, y, x;
};

Pixel pixel_of(const ConvShape& s, int64_t row) { return {row / (s.oh * s.ow), row / s.ow % s.oh, row % s.ow}; }

// One group's channels of one tap.
template <class Acc, class X, class W>
Acc dot(const X* x, Acc zx, const W* w, Acc zw, int64_t count) {
  Acc acc = 0;
  for (int64_t i = 0; i < count; ++i) acc += (x[i] - zx) * (w[i] - zw);
  return acc;
}

// The source coordinate that tap k of output coordinate o reads, or -1.
int64_t source(int64_t o, int64_t k, int64_t stride, int64_t dilation, int64_t pad, int64_t extent, bool transposed) {
  int64_t i = transposed ? o + pad - k * dilation : o * stride + k * dilation - pad;
  if (transposed) {
    if (i < 0 || i % stride != 0) return -1;
    i /= stride;
  }
  return i >= 0 && i < extent ? i : -1;
}

template <class Acc, class X, class W, bool kTransposed>
Acc accumulate(const ConvArgs& args, Pixel p, int64_t o) {
  const ConvShape& s = args.shape;
  const int64_t channels = s.c / s.groups, group = o / (s.oc / s.groups);
  const Acc zw = args.weight_zero ? args.weight_zero[o] : 0;
  const W* w = static_cast<const W*>(args.weights) + o * s.kh * s.kw * channels;
  const X* image = static_cast<const X*>(args.src) + p.image * s.h * s.w * s.c + group * channels;
  Acc acc = args.bias ? args.bias[o] : 0;
  for (int64_t ky = 0; ky < s.kh; ++ky) {
    const int64_t y = source(p.y, ky, s.stride_h, s.dilation_h, s.pad_top, s.h, kTransposed);
    for (int64_t kx = 0; y >= 0 && kx < s.kw; ++kx) {
      const int64_t x = source(p.x, kx, s.stride_w, s.dilation_w, s.pad_left, s.w, kTransposed);
      if (x < 0) continue;
      acc += dot<Acc>(image + (y * s.w + x) * s.c, Acc{args.src_zero}, w + (ky * s.kw + kx) * channels, zw, channels);
    }
  }
  return acc;
}

template <class Acc, class X, class W, bool kTransposed>
void run_rows(const ConvArgs& args, int64_t row0, int64_t row1) {
  for (int64_t row = row0; row < row1; ++row) {
    const Pixel p = pixel_of(args.shape, row);
    for (int64_t o = 0; o < args.shape.oc; ++o) store(args.out, row, o, accumulate<Acc, X, W, kTransposed>(args, p, o));
  }
}

template <class X, class W, bool kTransposed>
void run_width(const ConvArgs& args, int64_t row0, int64_t row1) {
  if (args.wide)
    run_rows<int64_t, X, W, kTransposed>(args, row0, row1);
  else
    run_rows<int32_t, X, W, kTransposed>(args, row0, row1);
}

template <class X, bool kTransposed>
void run_weights(const ConvArgs& args, int64_t row0, int64_t row1) {
  if (args.weight_type == DType::i8)
    run_width<X, int8_t, kTransposed>(args, row0, row1);
  else if (args.weight_type == DType::u8)
    run_width<X, uint8_t, kTransposed>(args, row0, row1);
  else
    run_width<X, int16_t, kTransposed>(args, row0, row1);
}

template <bool kTransposed>
void run(const ConvArgs& args, int64_t row0, int64_t row1) {
  if (args.src_type == DType::u8)
    run_weights<uint8_t, kTransposed>(args, row0, row1);
  else if (args.src_type == DType::i8)
    run_weights<int8_t, kTransposed>(args, row0, row1);
  else if (args.src_type == DType::u16)
    run_weights<uint16_t, kTransposed>(args, row0, row1);
  else
    run_weights<int16_t, kTransposed>(args, row0, row1);
}

}  // namespace

void conv_ref(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { run<false>(args, row0, row1); }
void conv_transpose_ref(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { run<true>(args, row0, row1); }

}  // namespace bitwright
