#include "kernels/conv/depthwise.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 32;

int64_t taps4(const ConvShape& s) { return (s.kh * s.kw + 3) / 4; }

// Where the taps of one output pixel lie; those outside the image, and those that only fill up a group, are `outside`.
void point_taps(const ConvArgs& args, const PixelWalk& walk, const uint8_t* outside, const uint8_t** taps) {
  const ConvShape& s = args.shape;
  const auto* src = static_cast<const uint8_t*>(args.src) + walk.image() * s.h * s.w * s.c;
  const uint8_t** end = taps + 4 * taps4(s);
  for (int64_t ky = 0, y = walk.y(); ky < s.kh; ++ky, y += s.dilation_h) {
    const bool inside = y >= 0 && y < s.h;
    for (int64_t kx = 0, x = walk.x(); kx < s.kw; ++kx, x += s.dilation_w)
      *taps++ = inside && x >= 0 && x < s.w ? src + (y * s.w + x) * s.c : outside;
  }
  while (taps < end) *taps++ = outside;
}

}  // namespace

bool conv_is_depthwise(const ConvShape& s) { return s.groups == s.c && s.groups == s.oc && s.c > 1; }

int64_t depthwise_scratch_bytes(const ConvShape& s) {
  return kRows * 4 * taps4(s) * static_cast<int64_t>(sizeof(void*)) + (s.c + 63) / 64 * 64;
}

void conv_depthwise(const ConvArgs& args, DotKernel kernel, int64_t row0, int64_t row1) noexcept {
  const PackedWeights& packed = *args.packed;
  auto** pointers = static_cast<const uint8_t**>(args.scratch);
  DotArgs d = dot_args(packed, args.out);
  d.k4 = taps4(args.shape);
  d.a = pointers;
  d.a_step = 4 * d.k4;
  auto* outside = reinterpret_cast<uint8_t*>(pointers + kRows * d.a_step);
  std::memset(outside, args.src_zero, static_cast<size_t>(args.shape.c));
  const int32_t zero = args.src_zero - packed.src_zero;
  d.zero = zero ? &zero : nullptr;
  for (int64_t row = row0; row < row1; row += kRows) {
    d.rows = std::min(kRows, row1 - row);
    PixelWalk walk(args.shape, row);
    for (int64_t r = 0; r < d.rows; ++r, walk.next()) point_taps(args, walk, outside, pointers + r * d.a_step);
    for (const PackedPanel& panel : packed.panels) {
      set_panel(d, packed, panel, args.out, row);
      kernel(d);
    }
  }
}

void depthwise_u8s8_ref(const DotArgs& d) noexcept {
  for (int64_t r = 0; r < d.rows; ++r)
    for (int32_t c = 0; c < d.columns; ++c) {
      uint32_t acc = static_cast<uint32_t>(d.offset[c]);
      for (int64_t k = 0; k < 4 * d.k4; ++k)
        acc += static_cast<uint32_t>(d.a[r * d.a_step + k][d.column + c] * d.b[(k / 4 * d.width + c) * 4 + k % 4]);
      dot_finish_ref(d, r, c, acc);
    }
}

}  // namespace bitwright
