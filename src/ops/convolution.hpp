// The problem a convolution poses, shared by Conv, ConvInteger and QLinearConv.
#pragma once

#include "ops/window.hpp"

namespace bitwright {

struct Convolution {
  Window w;
  int64_t batch = 0, channels = 0, groups = 1, features = 0;  // channels and features: over all groups
  Shape output_shape() const;
};

/// Reads it from input x [N, C, spatial...], weights [M, C/group, spatial...] and the attributes; `bias` is the index of
/// an optional input [M]. Error{malformed} names the node.
Convolution read_convolution(const OpContext& c, size_t x, size_t weights, size_t bias);

}  // namespace bitwright
