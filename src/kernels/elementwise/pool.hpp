// Which taps a pooling window has. Plain data, for the reference and the instruction-set files.
#pragma once

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {

/// Source coordinates first, first + dilation, ... of the taps inside the image.
struct PoolTaps {
  int64_t first, count;
};

struct PoolWindow {
  int64_t image;
  PoolTaps y, x;
  int64_t count;  // that a mean divides by
};

/// Output pixel `row` of all n * oh * ow, and those after it without a division each, which would take longer than a window.
struct PoolPixel {
  int64_t image, y, x;
  BW_INLINE PoolPixel(const PoolArgs& p, int64_t row) : image(row / (p.oh * p.ow)), y(row / p.ow % p.oh), x(row % p.ow) {}
  BW_INLINE void next(const PoolArgs& p) {
    if (++x < p.ow) return;
    x = 0;
    if (++y < p.oh) return;
    y = 0;
    ++image;
  }
};
PoolWindow pool_window(const PoolArgs& args, const PoolPixel& pixel) noexcept;

BW_INLINE int64_t pool_last_channel(const PoolArgs& p) { return p.channel1 < p.c ? p.channel1 : p.c; }

/// Element of channel 0 of tap (i, j) of a window.
BW_INLINE int64_t pool_tap(const PoolArgs& p, const PoolWindow& w, int64_t i, int64_t j) {
  return ((w.image * p.h + w.y.first + i * p.dilation_h) * p.w + w.x.first + j * p.dilation_w) * p.c;
}

}  // namespace bitwright
