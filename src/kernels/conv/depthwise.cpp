#include "kernels/conv/depthwise.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 32;

int64_t taps4(const ConvShape& s) { return static_cast<int64_t>(depthwise_taps(s.kh, s.kw).size()) / 4; }

// Where the taps of one output pixel lie; those outside the image, and those that only fill up a group, are `outside`.
void point_taps(const ConvArgs& args, const PixelWalk& walk, const uint8_t* outside, const uint8_t** taps) {
  const ConvShape& s = args.shape;
  const auto* src = static_cast<const uint8_t*>(args.src) + walk.image() * s.h * s.w * s.c;
  for (const int32_t tap : args.packed->taps) {
    const int64_t y = walk.y() + tap / s.kw * s.dilation_h, x = walk.x() + tap % s.kw * s.dilation_w;
    *taps++ = tap >= 0 && y >= 0 && y < s.h && x >= 0 && x < s.w ? src + (y * s.w + x) * s.c : outside;
  }
}

}  // namespace

bool conv_is_depthwise(const ConvShape& s) { return s.groups == s.c && s.groups == s.oc && s.c > 1; }

int64_t depthwise_scratch_bytes(const ConvShape& s) {
  const int64_t pointers = kRows * 4 * taps4(s) * static_cast<int64_t>(sizeof(void*));
  return std::max(pointers + (s.c + 63) / 64 * 64, depthwise_lines_scratch_bytes(s));
}

std::vector<int32_t> depthwise_taps(int64_t kh, int64_t kw) {
  std::vector<int32_t> order;
  const int64_t blocks = (kh + 1) / 4;
  const auto add = [&](int64_t y, int64_t x) { order.push_back(y < kh ? static_cast<int32_t>(y * kw + x) : -1); };
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t x = 0; x < kw; ++x)
      for (int64_t y = 4 * block; y < 4 * block + 4; ++y) add(y, x);
  for (int64_t y = 4 * blocks; y < kh; ++y)
    for (int64_t x = 0; x < kw; ++x) add(y, x);
  order.resize((order.size() + 3) / 4 * 4, -1);
  return order;
}

void conv_depthwise(const ConvArgs& args, DotKernel kernel, int64_t row0, int64_t row1) noexcept {
  const PackedWeights& packed = *args.packed;
  auto** pointers = static_cast<const uint8_t**>(args.scratch);
  DotArgs d = dot_args(packed, args.out);
  d.a = pointers;
  d.a_step = 4 * d.k4;
  auto* outside = reinterpret_cast<uint8_t*>(pointers + kRows * d.a_step);
  std::memset(outside, args.src_zero, static_cast<size_t>(args.shape.c));
  const int32_t zero = args.src_zero - packed.src_zero;
  d.zero = zero ? &zero : nullptr;
  for (int64_t row = row0; row < row1; row += kRows) {
    d.rows = std::min(kRows, row1 - row);
    PixelWalk walk(args.shape, row);
    for (int64_t r = 0; r < d.rows; ++r, walk.next())
      point_taps(args, walk, outside, pointers + r * d.a_step);
    for (const PackedPanel& panel : args.panels.of(packed)) {
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
