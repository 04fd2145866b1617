// The driver of the line kernels: panel by panel, a ring of buffers holds the source lines that the current output line sees.
#include <algorithm>
#include <cstring>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/walk.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

constexpr int64_t kWidestColumn = 64, kMostLines = 25;

/// Source columns that an output line sees, padding included.
int64_t columns_of(const ConvShape& s) { return (s.ow - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1; }
/// Source lines from the first to the last that an output line sees.
int64_t lines_of(const ConvShape& s) { return (s.kh - 1) * s.dilation_h + 1; }
/// Bytes from the columns of one remainder modulo the stride to those of the next.
int64_t phase_of(const ConvShape& s) { return ((columns_of(s) + s.stride_w - 1) / s.stride_w + 1) * kWidestColumn; }
int64_t line_bytes(const ConvShape& s) { return s.stride_w * phase_of(s); }

class Lines {
 public:
  Lines(const ConvArgs& args, const DepthwiseLineKernel& kernel, uint8_t* memory)
      : args_(args), copy_(kernel.copy), slots_(static_cast<uint32_t>(lines_of(args.shape))), line_bytes_(line_bytes(args.shape)),
        ring_(memory), zeros_(memory + slots_ * line_bytes_) {
    std::memset(zeros_, args.src_zero, static_cast<size_t>(line_bytes_));
  }

  void begin(const PackedPanel& panel) {
    panel_ = &panel;
    step_ = column_bytes(panel.width);
    std::fill(std::begin(held_), std::end(held_), -1);
  }

  /// Line y of an image, from the column of output pixel `first` on; filled unless it is there already.
  const uint8_t* at(int64_t image, int64_t y, int64_t first) {
    const ConvShape& s = args_.shape;
    if (y < 0 || y >= s.h) return zeros_ + first * step_;
    const uint32_t slot = static_cast<uint32_t>(y) % slots_;  // 64-bit divisions take 40 to 90 cycles on Intel before Ice Lake
    uint8_t* line = ring_ + slot * line_bytes_;
    if (held_[slot] != image * s.h + y) fill(held_[slot] = image * s.h + y, line);
    return line + first * step_;
  }

 private:
  void fill(int64_t source_line, uint8_t* line) const {
    const ConvShape& s = args_.shape;
    const uint8_t* src = static_cast<const uint8_t*>(args_.src) + source_line * s.w * s.c + panel_->column;
    for (int64_t first = 0; first < s.stride_w; ++first) fill_phase(src, first, line + first * phase_of(s));
  }
  /// Columns `first`, first + stride, ... of the padded line.
  void fill_phase(const uint8_t* src, int64_t first, uint8_t* to) const {
    const ConvShape& s = args_.shape;
    const int64_t columns = columns_of(s), stride = s.stride_w, step = step_;
    const auto pad = [&] { std::memset(to, args_.src_zero, static_cast<size_t>(step)); };
    int64_t x = first - s.pad_left;
    for (; x < 0 && x + s.pad_left < columns; x += stride, to += step) pad();
    const int64_t end = std::min(s.w, columns - s.pad_left);
    if (stride == 1 && step == s.c && x < end) {
      std::memcpy(to, src + x * s.c, static_cast<size_t>((end - x) * s.c));
      to += (end - x) * step, x = end;
    }
    const int64_t count = x >= end ? 0 : stride == 1 ? end - x : (end - x + stride - 1) / stride;
    copy_(to, step, src + x * s.c, stride * s.c, panel_->columns, count);
    to += count * step, x += count * stride;
    for (; x + s.pad_left < columns; x += stride, to += step) pad();
  }

  const ConvArgs& args_;
  decltype(DepthwiseLineKernel::copy) copy_;
  uint32_t slots_;
  int64_t line_bytes_;
  uint8_t *ring_, *zeros_;
  const PackedPanel* panel_ = nullptr;
  int64_t step_ = 0;
  int64_t held_[kMostLines] = {};  // which line of all images each slot has
};

}  // namespace

bool conv_has_depthwise_lines(const ConvShape& s) {
  return s.kh == s.kw && (s.kh == 3 || s.kh == 5 || s.kh == 7) && lines_of(s) <= kMostLines;
}

int64_t depthwise_lines_scratch_bytes(const ConvShape& s) {
  return conv_has_depthwise_lines(s) ? kDepthwiseConstantBytes + (lines_of(s) + 1) * line_bytes(s) : 0;
}

void conv_depthwise_lines(const ConvArgs& args, const DepthwiseLineKernel& kernel, int64_t row0, int64_t row1) noexcept {
  const ConvShape& s = args.shape;
  const PackedWeights& packed = *args.packed;
  Lines lines(args, kernel, static_cast<uint8_t*>(args.scratch) + kDepthwiseConstantBytes);
  DotArgs d = dot_args(packed, args.out);
  const int32_t zero = args.src_zero - packed.src_zero;
  d.zero = zero ? &zero : nullptr;
  DepthwiseLine line{{}, phase_of(s), s.stride_w, s.dilation_w, s.kh, 0};
  const PixelWalk first(s, row0);
  for (const PackedPanel& panel : args.panels.of(packed)) {
    PixelWalk walk = first;
    lines.begin(panel);
    set_panel(d, packed, panel, args.out, row0);
    kernel.prepare(d, args.scratch);
    for (int64_t row = row0; row < row1; row += line.count) {
      line.count = std::min(walk.left_in_line(), row1 - row);
      for (int64_t k = 0; k < s.kh; ++k) line.lines[k] = lines.at(walk.image(), walk.y() + k * s.dilation_h, walk.column());
      set_panel(d, packed, panel, args.out, row);
      kernel.line(d, args.scratch, line);
      walk.skip(line.count);
    }
  }
}

}  // namespace bitwright
