#include "kernels/conv/dense.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

// Shorter kernel rows than this cost more in pointers than in copies.
constexpr int64_t kShortestSegment = 32;

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

// memcpy without the call, which for the first layer's few bytes costs more than the copy: two overlapping words.
template <class Word>
void copy_ends(uint8_t* dst, const uint8_t* src, int64_t count) {
  Word head, tail;
  std::memcpy(&head, src, sizeof head);
  std::memcpy(&tail, src + count - sizeof tail, sizeof tail);
  std::memcpy(dst, &head, sizeof head);
  std::memcpy(dst + count - sizeof tail, &tail, sizeof tail);
}

void copy_bytes(uint8_t* dst, const uint8_t* src, int64_t count) {
  if (count > 16)
    std::memcpy(dst, src, static_cast<size_t>(count));
  else if (count >= 8)
    copy_ends<uint64_t>(dst, src, count);
  else if (count >= 4)
    copy_ends<uint32_t>(dst, src, count);
  else
    for (int64_t i = 0; i < count; ++i) dst[i] = src[i];
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

void point_direct(const ConvArgs& args, const Scratch& scratch, int64_t row0, int64_t rows) {
  const ConvShape& s = args.shape;
  const int64_t bytes = segment_bytes(s);
  std::memset(scratch.padding, args.src_zero, static_cast<size_t>(bytes));
  PixelWalk walk(s, row0);
  for (int64_t r = 0; r < rows; ++r, walk.next()) {
    const Pixel p = pixel_at(args, walk);
    const bool inside = p.x >= 0 && p.x + s.kw <= s.w;
    for (int64_t k = 0; k < s.kh; ++k) {
      const int64_t y = p.y + k * s.dilation_h;
      const uint8_t*& pointer = scratch.pointers[k * kConvRows + r];
      if (y < 0 || y >= s.h) {
        pointer = scratch.padding;
      } else if (inside) {
        pointer = p.image + (y * s.w + p.x) * s.c;
      } else {
        uint8_t* copy = scratch.copies + (r * s.kh + k) * bytes;
        copy_row(args, p, y, 0, s.c, copy);
        pointer = copy;
      }
    }
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
  d.k4 = packed.k4();  // copies are readable to the end of the last group, direct segments have none
  d.tail = 0;
  d.zero = zero ? &zero : nullptr;
  if (direct) point_direct(args, scratch, row0, rows);
  const int64_t per_group = packed.columns / packed.groups;
  int64_t copied = -1;
  for (const PackedPanel& panel : packed.panels) {
    const int64_t group = panel.column / per_group;
    if (!direct && group != copied) copy_patches(args, scratch, row0, rows, copied = group);
    set_panel(d, packed, panel, args.out, row0);
    dot(d);
  }
}

}  // namespace

bool conv_is_direct(const ConvShape& s) {
  const int64_t bytes = s.kw * s.c;
  const bool one_tap = s.kh == 1 && s.kw == 1;
  return s.groups == 1 && (s.kw == 1 || s.dilation_w == 1) && bytes % 4 == 0 && (one_tap || bytes >= kShortestSegment);
}

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
