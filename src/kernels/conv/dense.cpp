#include "kernels/conv/dense.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/conv/copy.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

int64_t segments_of(const ConvShape& s) { return conv_is_direct(s) ? s.kh : 1; }
int64_t segment_bytes(const ConvShape& s) { return (conv_is_direct(s) ? 1 : s.kh) * s.kw * (s.c / s.groups); }

struct Scratch {
  const uint8_t** pointers;  // [segments][kConvRows]
  uint8_t* padding;          // one segment of zero points
  uint8_t* copies;           // [kConvRows][segments][segment rounded up to 4]
};

Scratch carve(void* memory, const ConvShape& s) {
  auto* bytes = static_cast<uint8_t*>(memory);
  const int64_t table = segments_of(s) * kConvRows * static_cast<int64_t>(sizeof(void*));
  return {reinterpret_cast<const uint8_t**>(bytes), bytes + table, bytes + table + round_up(segment_bytes(s), 64)};
}

struct Pixel {
  const uint8_t* image;
  int64_t y, x;  // source coordinates of tap (0, 0); may lie outside
};

Pixel pixel_at(const ConvArgs& args, const PixelWalk& walk) {
  const ConvShape& s = args.shape;
  return {static_cast<const uint8_t*>(args.src) + walk.image() * s.h * s.w * s.c, walk.y(), walk.x()};
}

// The taps of one kernel row, `channels` bytes each from `channel` on, zero points outside the image.
void copy_row(const ConvArgs& args, const Pixel& p, int64_t y, int64_t channel, int64_t channels, uint8_t* dst) {
  const ConvShape& s = args.shape;
  const auto zero = static_cast<int>(args.src_zero);
  if (y < 0 || y >= s.h) {
    std::memset(dst, zero, static_cast<size_t>(s.kw * channels));
    return;
  }
  const uint8_t* line = p.image + y * s.w * s.c + channel;
  if (s.dilation_w == 1 && channels == s.c && p.x >= 0 && p.x + s.kw <= s.w) {
    copy_bytes(dst, line + p.x * s.c, s.kw * channels);
    return;
  }
  for (int64_t k = 0, x = p.x; k < s.kw; ++k, x += s.dilation_w, dst += channels) {
    if (x < 0 || x >= s.w)
      std::memset(dst, zero, static_cast<size_t>(channels));
    else
      copy_bytes(dst, line + x * s.c, channels);
  }
}

// One kernel row of pixels [x, x + count) of an output row: pointers into the image line, or to copies where taps lie outside.
void point_line(const ConvArgs& args, Pixel p, int64_t y, int64_t count, const uint8_t** pointers, uint8_t* copies) {
  const ConvShape& s = args.shape;
  const int64_t copy_step = s.kh * round_up(segment_bytes(s), 4), step = s.stride_w * s.c;
  const uint8_t* line = p.image + y * s.w * s.c;
  const int64_t readable = static_cast<const uint8_t*>(args.src) + s.n * s.h * s.w * s.c - line;
  int64_t r = 0;
  const auto copy_until = [&](int64_t end) {
    for (; r < end; ++r, p.x += s.stride_w) {
      copy_row(args, p, y, 0, s.c, copies + r * copy_step);
      pointers[r] = copies + r * copy_step;
    }
  };
  const int64_t first = p.x < 0 ? (-p.x + s.stride_w - 1) / s.stride_w : 0;
  const int64_t spare = readable - round_up(segment_bytes(s), 4);
  const int64_t rightmost = spare < 0 ? -1 : std::min(s.w - s.kw, spare / s.c);
  const int64_t last = rightmost < p.x ? 0 : (rightmost - p.x) / s.stride_w + 1;
  copy_until(std::min(first, count));
  const uint8_t* at = line + p.x * s.c;
  const int64_t inside = std::max(r, std::min(last, count));
  for (p.x += (inside - r) * s.stride_w; r < inside; ++r, at += step) pointers[r] = at;
  copy_until(count);
}

void point_direct(const ConvArgs& args, const Scratch& scratch, int64_t row0, int64_t rows) {
  const ConvShape& s = args.shape;
  const int64_t bytes = round_up(segment_bytes(s), 4);
  std::memset(scratch.padding, args.src_zero, static_cast<size_t>(bytes));
  PixelWalk walk(s, row0);
  for (int64_t r = 0; r < rows;) {
    const Pixel p = pixel_at(args, walk);
    const int64_t count = std::min(rows - r, walk.left_in_line());
    for (int64_t k = 0; k < s.kh; ++k) {
      const int64_t y = p.y + k * s.dilation_h;
      const uint8_t** pointers = scratch.pointers + k * kConvRows + r;
      if (y < 0 || y >= s.h)
        std::fill(pointers, pointers + count, scratch.padding);
      else
        point_line(args, p, y, count, pointers, scratch.copies + (r * s.kh + k) * bytes);
    }
    walk.skip(count);
    r += count;
  }
}

void copy_patches(const ConvArgs& args, const Scratch& scratch, int64_t row0, int64_t rows, int64_t group) {
  const ConvShape& s = args.shape;
  const int64_t channels = s.c / s.groups, bytes = round_up(segment_bytes(s), 4);
  PixelWalk walk(s, row0);
  for (int64_t r = 0; r < rows; ++r, walk.next()) {
    const Pixel p = pixel_at(args, walk);
    uint8_t* copy = scratch.copies + r * bytes;
    scratch.pointers[r] = copy;
    for (int64_t k = 0; k < s.kh; ++k, copy += s.kw * channels)
      copy_row(args, p, p.y + k * s.dilation_h, group * channels, channels, copy);
    while (copy < scratch.copies + (r + 1) * bytes) *copy++ = 0;
  }
}

void run_block(const ConvArgs& args, DotKernel dot, const Scratch& scratch, int64_t row0, int64_t rows) {
  const PackedWeights& packed = *args.packed;
  const bool direct = conv_is_direct(args.shape);
  const int32_t zero = args.src_zero - packed.src_zero;
  DotArgs d = dot_args(packed, args.out);
  d.a = scratch.pointers;
  d.a_step = kConvRows;
  d.rows = rows;
  d.k4 = packed.k4();  // segments are readable to the end of their last group, where the weights are zero
  d.tail = 0;
  d.zero = zero ? &zero : nullptr;
  if (direct) point_direct(args, scratch, row0, rows);
  const int64_t per_group = packed.columns / packed.groups;
  int64_t copied = -1;
  for (const PackedPanel& panel : args.panels.of(packed)) {
    const int64_t group = panel.column / per_group;
    if (!direct && group != copied) copy_patches(args, scratch, row0, rows, copied = group);
    set_panel(d, packed, panel, args.out, row0);
    dot(d);
  }
}

}  // namespace

bool conv_is_direct(const ConvShape& s) { return s.groups == 1 && (s.kw == 1 || s.dilation_w == 1); }

int64_t conv_scratch_bytes(const ConvShape& s) {
  if (conv_is_depthwise(s)) return depthwise_scratch_bytes(s);
  const int64_t copies = kConvRows * segments_of(s) * round_up(segment_bytes(s), 4);
  return segments_of(s) * kConvRows * static_cast<int64_t>(sizeof(void*)) + round_up(segment_bytes(s), 64) + copies;
}

void conv_dense(const ConvArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept {
  const Scratch scratch = carve(args.scratch, args.shape);
  for (int64_t row = row0; row < row1; row += kConvRows)
    run_block(args, dot, scratch, row, std::min(kConvRows, row1 - row));
}

}  // namespace bitwright
