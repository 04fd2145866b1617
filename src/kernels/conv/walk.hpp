// Output pixels in order, without a division per pixel.
#pragma once

#include "kernels/conv/conv.hpp"

namespace bitwright {

class PixelWalk {
 public:
  PixelWalk(const ConvShape& shape, int64_t row)
      : shape_(shape), image_(row / (shape.oh * shape.ow)), y_(row / shape.ow % shape.oh), x_(row % shape.ow) {}

  int64_t image() const { return image_; }
  /// Source coordinates of tap (0, 0); may lie outside.
  int64_t y() const { return y_ * shape_.stride_h - shape_.pad_top; }
  int64_t x() const { return x_ * shape_.stride_w - shape_.pad_left; }

  /// Output column.
  int64_t column() const { return x_; }
  int64_t left_in_line() const { return shape_.ow - x_; }

  void next() { skip(1); }
  /// Goes on by `count` pixels, at most left_in_line().
  void skip(int64_t count) {
    x_ += count;
    if (x_ < shape_.ow) return;
    x_ = 0;
    if (++y_ < shape_.oh) return;
    y_ = 0;
    ++image_;
  }

 private:
  const ConvShape& shape_;
  int64_t image_, y_, x_;  // of the output
};

}  // namespace bitwright
