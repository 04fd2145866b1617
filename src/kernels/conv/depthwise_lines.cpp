// The driver of the line kernels: panel by panel, a ring of buffers holds the source lines that the current output line sees.
#include <algorithm>
#include <cstring>

#include "kernels/conv/conv.hpp"
#include "kernels/conv/copy.hpp"
#include "kernels/conv/depthwise.hpp"
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
  Lines(const ConvArgs& args, uint8_t* memory) : args_(args), ring_(memory), zeros_(memory + lines_of(args.shape) * line_bytes(args.shape)) {
    std::memset(zeros_, args.src_zero, static_cast<size_t>(line_bytes(args.shape)));
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
    const int64_t slot = y % lines_of(s);
    uint8_t* line = ring_ + slot * line_bytes(s);
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
    const int64_t count = x < end ? (end - x + stride - 1) / stride : 0;
    copy_columns(to, src + x * s.c, stride * s.c, count);
    to += count * step, x += count * stride;
    for (; x + s.pad_left < columns; x += stride, to += step) pad();
  }

  void copy_columns(uint8_t* to, const uint8_t* src, int64_t src_step, int64_t count) const {
    const int64_t channels = panel_->columns;
    if (channels == 64) return copy_whole_columns<64>(to, src, src_step, count);
    if (channels == 32) return copy_whole_columns<32>(to, src, src_step, count);
    if (channels == 16) return copy_whole_columns<16>(to, src, src_step, count);
    for (int64_t i = 0; i < count; ++i) copy_bytes(to + i * step_, src + i * src_step, channels);
  }
  template <int64_t kBytes>
  static void copy_whole_columns(uint8_t* to, const uint8_t* src, int64_t src_step, int64_t count) {
    for (int64_t i = 0; i < count; ++i, to += kBytes, src += src_step) std::memcpy(to, src, kBytes);
  }

  const ConvArgs& args_;
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

void conv_depthwise_lines(const ConvArgs& args, DepthwiseLineKernel kernel, int64_t row0, int64_t row1) noexcept {
  const ConvShape& s = args.shape;
  const PackedWeights& packed = *args.packed;
  Lines lines(args, static_cast<uint8_t*>(args.scratch) + kDepthwiseConstantBytes);
  DotArgs d = dot_args(packed, args.out);
  const int32_t zero = args.src_zero - packed.src_zero;
  d.zero = zero ? &zero : nullptr;
  DepthwiseLine line{{}, phase_of(s), s.stride_w, s.dilation_w, s.kh, 0};
  for (const PackedPanel& panel : args.panels.of(packed)) {
    lines.begin(panel);
    set_panel(d, packed, panel, args.out, row0);
    kernel.prepare(d, args.scratch);
    for (int64_t row = row0; row < row1; row += line.count) {
      const int64_t image = row / (s.oh * s.ow), y = row / s.ow % s.oh, x = row % s.ow;
      line.count = std::min(s.ow - x, row1 - row);
      for (int64_t k = 0; k < s.kh; ++k) line.lines[k] = lines.at(image, y * s.stride_h - s.pad_top + k * s.dilation_h, x);
      set_panel(d, packed, panel, args.out, row);
      kernel.line(d, args.scratch, line);
    }
  }
}

}  // namespace bitwright
