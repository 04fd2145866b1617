#include "kernels/elementwise/codes.hpp"
#include "kernels/elementwise/pool.hpp"

namespace bitwright {
namespace {

PoolTaps taps_within(int64_t o, int64_t stride, int64_t pad, int64_t k, int64_t dilation, int64_t begin, int64_t end) {
  if (dilation == 1) {
    const int64_t at = o * stride - pad, first = at < begin ? begin : at, last = at + k < end ? at + k : end;
    return {first, last > first ? last - first : 0};
  }
  PoolTaps taps{0, 0};
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = o * stride - pad + i * dilation;
    if (at < begin || at >= end) continue;
    if (taps.count++ == 0) taps.first = at;
  }
  return taps;
}

template <class F>
void each_tap(const PoolArgs& p, const PoolWindow& w, F&& f) {
  for (int64_t i = 0; i < w.y.count; ++i)
    for (int64_t j = 0; j < w.x.count; ++j) f(pool_tap(p, w, i, j));
}

}  // namespace

PoolWindow pool_window(const PoolArgs& p, const PoolPixel& pixel) noexcept {
  const int64_t oy = pixel.y, ox = pixel.x;
  PoolWindow w{pixel.image, taps_within(oy, p.stride_h, p.pad_top, p.kh, p.dilation_h, 0, p.h),
               taps_within(ox, p.stride_w, p.pad_left, p.kw, p.dilation_w, 0, p.w), 0};
  w.count = w.y.count * w.x.count;
  if (p.count_padding)
    w.count = taps_within(oy, p.stride_h, p.pad_top, p.kh, p.dilation_h, -p.pad_top, p.h + p.pad_bottom).count *
              taps_within(ox, p.stride_w, p.pad_left, p.kw, p.dilation_w, -p.pad_left, p.w + p.pad_right).count;
  return w;
}

void max_pool_ref(const PoolArgs& p, int64_t begin, int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const PoolWindow w = pool_window(p, PoolPixel(p, row));
    for (int64_t c = p.channel0; c < pool_last_channel(p); ++c) {
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
    const PoolWindow w = pool_window(p, PoolPixel(p, row));
    for (int64_t c = p.channel0; c < pool_last_channel(p); ++c) {
      int64_t sum = 0;
      each_tap(p, w, [&](int64_t at) { sum += load(p.src, p.type, at + c) - p.src_zero; });
      const int32_t code = w.count ? requantize(p.requantize, sum, w.count - p.first_count) : p.requantize.zero_point;
      save(p.dst, p.type, row * p.c + c, code);
    }
  }
}

}  // namespace bitwright
