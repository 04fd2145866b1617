// The geometry that convolutions and poolings share: kernel, strides, dilations, pads, auto_pad, ceil_mode. Always three
// spatial dimensions; those that a 1-D or 2-D operator lacks are leading ones of extent 1.
#pragma once

#include <array>

#include "ops/op.hpp"

namespace bitwright {

struct Window {
  using Dims = std::array<int64_t, 3>;
  int rank = 0;  // spatial dimensions the operator really has
  Dims in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, pad{0, 0, 0}, pad_end{0, 0, 0};

  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  /// Input coordinate that tap `tap` of output coordinate `at` reads on dimension d; may lie in the padding.
  int64_t source(int d, int64_t at, int64_t tap) const { return at * stride[d] - pad[d] + tap * dilation[d]; }
  /// The spatial extents of the output, without the dimensions the operator lacks.
  Shape out_shape() const { return {out.begin() + (3 - rank), out.end()}; }
  /// d, h, w of flat output position or tap `flat` within `extents`.
  static Dims split(int64_t flat, const Dims& extents) {
    return {flat / (extents[1] * extents[2]), flat / extents[2] % extents[1], flat % extents[2]};
  }
};

/// Reads the node's attributes for input x [N, C, spatial...] and a kernel of `kernel` spatial extents. Error{malformed} or
/// Error{unsupported} names the node. Output extents: floor((in + pads - reach) / stride) + 1, with ceil_mode the
/// ceiling, less a last window that would start in the end padding (ONNX opset 22).
Window read_window(const OpContext& c, const Shape& x, const Shape& kernel);
/// The same for a transposed convolution, whose formula runs the other way: source(d, at, tap) of x coordinate `at` is the
/// output coordinate it adds to. pad_end is not set.
Window read_transposed_window(const OpContext& c, const Shape& x, const Shape& kernel);

}  // namespace bitwright
