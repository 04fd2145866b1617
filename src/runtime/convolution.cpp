#include "runtime/convolution.hpp"

#include "ops/window.hpp"

namespace bitwright {

ConvGeometry conv_geometry(const Node& node, const Tensor& x, const Tensor& w, const Tensor& y, bool transposed) {
  if (x.rank() > 4) return {{}, str("a convolution over ", x.rank() - 2, " dimensions has no integer kernel")};
  const OpContext context(node, {}, true);
  const Shape kernel(w.shape().begin() + 2, w.shape().end());
  const Window v = transposed ? read_transposed_window(context, x.shape(), kernel) : read_window(context, x.shape(), kernel);
  return {{.n = x.dim(0), .h = v.in[1], .w = v.in[2], .c = x.dim(1), .oh = v.out[1], .ow = v.out[2], .oc = y.dim(1),
          .kh = v.kernel[1], .kw = v.kernel[2], .groups = node.attr_int("group", 1), .stride_h = v.stride[1],
          .stride_w = v.stride[2], .dilation_h = v.dilation[1], .dilation_w = v.dilation[2], .pad_top = v.pad[1],
          .pad_left = v.pad[2]}, {}};
}

Tensor conv_weights_last(const Tensor& w, const ConvShape& s, bool transposed) {
  const int64_t inner = s.c / s.groups, outer = s.oc / s.groups, taps = s.kh * s.kw;
  Tensor result(w.dtype(), {s.oc, s.kh, s.kw, inner});
  auto permute = [&]<class T>(const T* from, T* to) {
    for (int64_t o = 0; o < s.oc; ++o)
      for (int64_t t = 0; t < taps; ++t)
        for (int64_t i = 0; i < inner; ++i) {
          const int64_t group = o / outer;
          const int64_t at = transposed ? ((group * inner + i) * outer + o % outer) * taps + t : (o * inner + i) * taps + t;
          to[(o * taps + t) * inner + i] = from[at];
        }
  };
  if (w.dtype() == DType::i8) {
    permute(w.values<int8_t>().data(), result.values<int8_t>().data());
  } else {
    permute(w.values<int16_t>().data(), result.values<int16_t>().data());
  }
  return result;
}

}  // namespace bitwright
