#include "kernels/conv/dense.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/conv/copy.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/transposed.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

int64_t segments_of(const ConvShape& s) { return conv_is_direct(s) ? s.kh : 1; }
int64_t segment_bytes(const ConvShape& s) { return (conv_is_direct(s) ? 1 : s.kh) * s.kw * (s.c / s.groups); }

struct Scratch {
  const uint8_t** pointers;  // [segments][kMostBlockRows]
  uint8_t* padding;          // one segment of zero points
  uint8_t* copies;           // [kMostBlockRows][segments][segment rounded up to 4]
};

Scratch carve(void* memory, const ConvShape& s) {
  auto* bytes = static_cast<uint8_t*>(memory);
  const int64_t table = segments_of(s) * kMostBlockRows * static_cast<int64_t>(sizeof(void*));
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

/// Output columns [first, last) whose taps all lie between the left and the right border. Every division of a call is here.
struct Inside {
  int64_t first, last;
  explicit Inside(const ConvShape& s)
      : first((s.pad_left + s.stride_w - 1) / s.stride_w),
        last(s.w + s.pad_left < s.kw ? 0 : (s.w + s.pad_left - s.kw) / s.stride_w + 1) {}
};

// One kernel row of output columns [x, x + count): pointers into the image line, or to copies where taps lie outside.
void point_line(const ConvArgs& args, const Inside& inside, Pixel p, int64_t x, int64_t y, int64_t count, const uint8_t** pointers,
                uint8_t* copies) {
  const ConvShape& s = args.shape;
  const int64_t bytes = round_up(segment_bytes(s), 4), copy_step = s.kh * bytes, step = s.stride_w * s.c;
  const uint8_t* line = p.image + y * s.w * s.c;
  const uint8_t* readable = static_cast<const uint8_t*>(args.src) + s.n * s.h * s.w * s.c;
  int64_t r = 0;
  const auto copy_until = [&](int64_t end) {
    for (; r < end; ++r) {
      copy_row(args, {p.image, p.y, p.x + r * s.stride_w}, y, 0, s.c, copies + r * copy_step);
      pointers[r] = copies + r * copy_step;
    }
  };
  copy_until(std::clamp<int64_t>(inside.first - x, 0, count));
  int64_t last = std::max(r, std::min(inside.last - x, count));
  const uint8_t* at = line + p.x * s.c;
  while (last > r && at + (last - 1) * step + bytes > readable) --last;  // whole groups of 4 are read
  for (; r < last; ++r) pointers[r] = at + r * step;
  copy_until(count);
}

void point_direct(const ConvArgs& args, const Inside& inside, const Scratch& scratch, PixelWalk walk, int64_t rows) {
  const ConvShape& s = args.shape;
  const int64_t bytes = round_up(segment_bytes(s), 4);
  for (int64_t r = 0; r < rows;) {
    const Pixel p = pixel_at(args, walk);
    const int64_t count = std::min(rows - r, walk.left_in_line());
    for (int64_t k = 0; k < s.kh; ++k) {
      const int64_t y = p.y + k * s.dilation_h;
      const uint8_t** pointers = scratch.pointers + k * kMostBlockRows + r;
      if (y < 0 || y >= s.h)
        std::fill(pointers, pointers + count, scratch.padding);
      else
        point_line(args, inside, p, walk.column(), y, count, pointers, scratch.copies + (r * s.kh + k) * bytes);
    }
    walk.skip(count);
    r += count;
  }
}

/// Every output pixel is one source pixel, in the same order: the rows of a matrix.
bool is_matrix(const ConvShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 && s.oh == s.h &&
         s.ow == s.w && s.c % 4 == 0;
}

void point_matrix(const ConvArgs& args, const Scratch& scratch, int64_t row0, int64_t rows) {
  const uint8_t* first = static_cast<const uint8_t*>(args.src) + row0 * args.shape.c;
  for (int64_t r = 0; r < rows; ++r) scratch.pointers[r] = first + r * args.shape.c;
}

void copy_patches(const ConvArgs& args, const Scratch& scratch, PixelWalk walk, int64_t rows, int64_t group) {
  const ConvShape& s = args.shape;
  const int64_t channels = s.c / s.groups, bytes = round_up(segment_bytes(s), 4);
  for (int64_t r = 0; r < rows; ++r, walk.next()) {
    const Pixel p = pixel_at(args, walk);
    uint8_t* copy = scratch.copies + r * bytes;
    scratch.pointers[r] = copy;
    for (int64_t k = 0; k < s.kh; ++k, copy += s.kw * channels)
      copy_row(args, p, p.y + k * s.dilation_h, group * channels, channels, copy);
    while (copy < scratch.copies + (r + 1) * bytes) *copy++ = 0;
  }
}

/// One call: what its blocks of rows have in common.
class DenseCall {
 public:
  DenseCall(const ConvArgs& args, DotKernel dot)
      : args_(args), dot_(dot), scratch_(carve(args.scratch, args.shape)), inside_(args.shape), matrix_(is_matrix(args.shape)),
        direct_(conv_is_direct(args.shape)), per_group_(args.packed->columns / args.packed->groups),
        zero_(args.src_zero - args.packed->src_zero) {
    d_ = dot_args(*args.packed, args.out);
    d_.a = scratch_.pointers;
    d_.a_step = kMostBlockRows;
    d_.k4 = args.packed->k4();  // segments are readable to the end of their last group, where the weights are zero
    d_.tail = 0;
    d_.zero = zero_ ? &zero_ : nullptr;
    if (direct_) std::memset(scratch_.padding, args.src_zero, static_cast<size_t>(round_up(segment_bytes(args.shape), 4)));
  }

  /// `again`: there are more blocks.
  void run_block(const PixelWalk& walk, int64_t row0, int64_t rows, bool again) {
    const PackedWeights& packed = *args_.packed;
    d_.rows = rows;
    if (matrix_)
      point_matrix(args_, scratch_, row0, rows);
    else if (direct_)
      point_direct(args_, inside_, scratch_, walk, rows);
    int64_t copied = -1;
    const auto panels = args_.panels.of(packed);
    for (size_t i = 0; i < panels.size(); ++i) {
      if (!direct_)
        if (const int64_t group = panels[i].column / per_group_; group != copied) copy_patches(args_, scratch_, walk, rows, copied = group);
      set_panel(d_, packed, args_.panels, i, again, args_.out, row0);
      dot_(d_);
    }
  }

 private:
  const ConvArgs& args_;
  DotKernel dot_;
  Scratch scratch_;
  Inside inside_;
  bool matrix_, direct_;
  int64_t per_group_;
  int32_t zero_;
  DotArgs d_;
};

}  // namespace

bool conv_is_direct(const ConvShape& s) { return s.groups == 1 && (s.kw == 1 || s.dilation_w == 1); }

int64_t conv_scratch_bytes(const ConvShape& s) {
  if (conv_is_depthwise(s)) return std::max(depthwise_scratch_bytes(s), transposed_scratch_bytes(s));
  const int64_t copies = kMostBlockRows * segments_of(s) * round_up(segment_bytes(s), 4);
  const int64_t pointers = segments_of(s) * kMostBlockRows * static_cast<int64_t>(sizeof(void*));
  return std::max(pointers + round_up(segment_bytes(s), 64) + copies, transposed_scratch_bytes(s));
}

void conv_dense(const ConvArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept {
  DenseCall call(args, dot);
  PixelWalk walk(args.shape, row0);
  for (int64_t row = row0, rows = 0; row < row1; row += rows) {
    rows = rows_of_block(row1 - row);
    call.run_block(walk, row, rows, row + rows < row1);
    for (int64_t left = rows; left > 0;) {
      const int64_t count = std::min(left, walk.left_in_line());
      walk.skip(count);
      left -= count;
    }
  }
}

}  // namespace bitwright
