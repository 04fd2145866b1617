// Where the elements of a value lie in memory that another step has written. What only moves values (Transpose, Slice, Split,
// Gather, nearest Resize, Reshape...) becomes a view, which costs nothing; a copy is made where a consumer wants its elements side
// by side, one for all the movement since the last computation. Offsets and strides are in elements.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "core/tensor.hpp"
#include "kernels/movement/movement.hpp"

namespace bitwright {

/// A digit of an axis' index: place i lies i * stride further, or at[i] where no stride says it.
struct Digit {
  int64_t extent = 1, stride = 0;
  std::shared_ptr<const std::vector<int64_t>> at;
};

class MemoryView {
 public:
  /// All of a row-major tensor, which has elements.
  static MemoryView dense(const Shape& shape);

  const Shape& shape() const { return shape_; }
  int64_t offset() const { return offset_; }
  /// Axis i of the result is axis axes[i] of this.
  MemoryView permuted(std::span<const int64_t> axes) const;
  /// Place i of the axis is now its place places[i]; there is at least one.
  MemoryView taken(size_t axis, std::span<const int64_t> places) const;
  /// The same elements in the same order under another shape; nothing where that is no view (first copy, then reshape).
  std::optional<MemoryView> reshaped(const Shape& shape) const;
  /// Places [begin, begin + extent) of the axis.
  MemoryView part(size_t axis, int64_t begin, int64_t extent) const;
  /// With an axis of extent 1 made `extent` long.
  MemoryView repeated(size_t axis, int64_t extent) const;
  /// Whether its elements lie side by side in row-major order, offset() before the first.
  bool is_dense() const;
  /// Of images [N, C, ...]: whether channels lie nearer to each other than pixels do.
  bool runs_along_channels() const;
  /// Of a dense view or one with its axes permuted: what one step along each axis is; 0 for one of extent 1.
  Shape strides() const;
  /// The loops that copy the view to a place where its axes have these strides. The source starts at offset().
  std::vector<MoveLoop> loops(std::span<const int64_t> dst_strides) const;

 private:
  int64_t least_stride(size_t axis) const;

  Shape shape_;
  std::vector<std::vector<Digit>> axes_;  // digits outermost first; their extents multiply to the axis', those of 1 are left out
  int64_t offset_ = 0;
};

}  // namespace bitwright
