// MaxUnpool puts values back where MaxPool took them from; DeformConv is a convolution whose taps are moved by inputs.
#include <algorithm>
#include <cmath>

#include "ops/convolution.hpp"
#include "ops/gemm.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

void run_max_unpool(OpContext& c) {
  const Shape x_shape = c.input(0).shape();
  if (c.input(1).shape() != x_shape) c.malformed("values and indices have different shapes");
  const auto kernel = c.node().attr_ints("kernel_shape");
  const auto dims = static_cast<size_t>(std::max<int64_t>(std::ssize(x_shape) - 2, 0));
  const auto strides = c.node().attr_ints("strides", std::vector<int64_t>(dims, 1));
  const auto pads = c.node().attr_ints("pads", std::vector<int64_t>(2 * dims, 0));
  if (dims == 0 || kernel.size() != dims || strides.size() != dims || pads.size() != 2 * dims)
    c.malformed("kernel_shape, strides or pads do not fit the input");
  Shape inferred = {x_shape[0], x_shape[1]};
  for (size_t d = 0; d < dims; ++d) {
    inferred.push_back((x_shape[2 + d] - 1) * strides[d] + kernel[d] - pads[d] - pads[dims + d]);
    if (inferred.back() < 0) c.malformed("the output would have a negative extent");
  }
  const Shape shape = c.has(2) ? values_as_int(c.data(2)) : inferred;
  if (shape.size() != inferred.size()) c.malformed(str("output_shape has ", shape.size(), " numbers"));
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  std::fill_n(y.data(), y.elements(), 0.0f);
  const Shape strides_out = strides_of(shape);
  for (int64_t i = 0; i < x.tensor.elements(); ++i) {
    int64_t rest = value_as_int(c.data(1), i), at = 0;  // flat within `inferred`
    if (rest < 0 || rest >= elements_of(inferred)) c.malformed(str("index ", rest, " is outside ", to_string(inferred)));
    bool inside = true;
    for (size_t d = inferred.size(); d-- > 0; rest /= inferred[d]) {
      inside = inside && rest % inferred[d] < shape[d];
      at += rest % inferred[d] * strides_out[d];
    }
    if (inside) y.data()[at] = x.data[i];
  }
  y.finish();
}

// Bilinear value at (h, v); zero outside.
float blend(const float* plane, int64_t height, int64_t width, float h, float v) {
  if (!(h > -1 && v > -1 && h < static_cast<float>(height) && v < static_cast<float>(width))) return 0;
  const float top = std::floor(h), left = std::floor(v), down = h - top, across = v - left;
  auto at = [&](int64_t r, int64_t q) { return r >= 0 && q >= 0 && r < height && q < width ? plane[r * width + q] : 0.0f; };
  const auto r = static_cast<int64_t>(top), q = static_cast<int64_t>(left);
  return (1 - down) * ((1 - across) * at(r, q) + across * at(r, q + 1)) +
         down * ((1 - across) * at(r + 1, q) + across * at(r + 1, q + 1));
}

struct Deformed {
  const float *x, *offset, *mask;  // of one image
  int64_t channels, first, groups;  // channels of this convolution group, its first channel, offset groups
  int64_t all_channels;
  Window w;
};

// Unfolded columns, each tap read at its position plus the offset (y, x), times the mask.
PackColumns unfold(const Deformed& k) {
  return [k](int64_t begin, int64_t count, float* to) {
    const int64_t taps = k.w.taps(), out = k.w.out_size(), plane = k.w.in_size();
    for (int64_t ch = 0; ch < k.channels; ++ch) {
      const int64_t group = (k.first + ch) / (k.all_channels / k.groups);
      for (int64_t tap = 0; tap < taps; ++tap) {
        const Window::Dims t = Window::split(tap, k.w.kernel);
        for (int64_t j = 0; j < count; ++j) {
          const Window::Dims o = Window::split(begin + j, k.w.out);
          const float* shift = k.offset + ((group * taps + tap) * 2) * out + begin + j;
          const float h = static_cast<float>(k.w.source(1, o[1], t[1])) + shift[0];
          const float v = static_cast<float>(k.w.source(2, o[2], t[2])) + shift[out];
          const float weight = k.mask ? k.mask[(group * taps + tap) * out + begin + j] : 1.0f;
          to[(ch * taps + tap) * kGemmCols + j] =
              weight * blend(k.x + (k.first + ch) * plane, k.w.in[1], k.w.in[2], h, v);
        }
      }
    }
  };
}

// Inputs: x, weights, offset [N, groups * taps * 2, out...], bias, mask [N, groups * taps, out...].
void run_deform_conv(OpContext& c) {
  const Convolution p = read_convolution(c, 0, 1, 3);
  if (p.w.rank != 2) c.unsupported(str(p.w.rank, " spatial dimensions"));
  const int64_t groups = c.node().attr_int("offset_group", 1), taps = p.w.taps(), out = p.w.out_size();
  if (groups < 1 || p.channels % groups != 0) c.malformed(str(p.channels, " channels in ", groups, " offset groups"));
  auto expect = [&](size_t i, int64_t count) {
    const Shape wanted = {p.batch, groups * taps * count, p.w.out[1], p.w.out[2]};
    if (c.input(i).shape() != wanted)
      c.malformed(str("input ", i, " has shape ", to_string(c.input(i).shape()), ", wanted ", to_string(wanted)));
  };
  expect(2, 2);
  if (c.has(4)) expect(4, 1);
  RealOutput y(c, 0, real_type(c, 0), p.output_shape());
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0), weights(c, 1), offset(c, 2);
  const Tensor bias = c.has(3) ? to_f32(c.data(3)) : Tensor(), mask = c.has(4) ? to_f32(c.data(4)) : Tensor();
  const int64_t channels = p.channels / p.groups, features = p.features / p.groups, k = channels * taps;
  for (int64_t g = 0; g < p.groups; ++g) {
    const PackedRows rows = pack_rows(weights.data + g * features * k, features, k, k, 1);
    for (int64_t n = 0; n < p.batch; ++n) {
      const float* of_mask = mask.empty() ? nullptr : mask.values<float>().data() + n * groups * taps * out;
      const Deformed d{x.data + n * p.channels * p.w.in_size(), offset.data + n * groups * taps * 2 * out, of_mask,
                       channels, g * channels, groups, p.channels, p.w};
      gemm(c, rows, out, unfold(d), y.data() + (n * p.features + g * features) * out, out,
           bias.empty() ? nullptr : bias.values<float>().data() + g * features);
    }
  }
  y.finish();
}

const Op kOps[] = {
    {.name = "MaxUnpool", .min_inputs = 2, .max_inputs = 3, .since = 9, .run = run_max_unpool},
    {.name = "DeformConv", .min_inputs = 3, .max_inputs = 5, .since = 19, .run = run_deform_conv},
};

}  // namespace

std::span<const Op> ops_unpool() { return kOps; }

}  // namespace bitwright
