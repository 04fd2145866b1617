// What every lowering of a convolution on codes needs: its geometry and its weights in the kernels' order.
#pragma once

#include "kernels/conv/conv.hpp"
#include "ops/op.hpp"

namespace bitwright {

struct ConvGeometry {
  ConvShape shape;
  std::string reason;  // why no integer kernel can do it; empty: shape is valid
};
/// Of Conv or ConvTranspose; 1-D becomes 2-D with a height of 1.
ConvGeometry conv_geometry(const Node& node, const Tensor& x, const Tensor& w, const Tensor& y, bool transposed);

/// ONNX [oc, c/groups, kh, kw] (transposed: [c, oc/groups, kh, kw]) -> [oc, kh, kw, c/groups], i8 or i16.
Tensor conv_weights_last(const Tensor& w, const ConvShape& shape, bool transposed);

}  // namespace bitwright
