// ConvInteger and QLinearConv: exact sums of products of codes less their zero points; the padding holds the zero point.
#include "ops/codes.hpp"
#include "ops/convolution.hpp"

namespace bitwright {
namespace {

// store(flat output index, feature, sum) for every output.
template <class Store>
void convolve(const OpContext& c, const Convolution& p, const std::vector<int32_t>& x,
              const std::vector<int32_t>& weights, Store store) {
  const Window& w = p.w;
  const int64_t in = w.in_size(), out = w.out_size(), taps = w.taps();
  const int64_t channels = p.channels / p.groups, features = p.features / p.groups;
  c.parallel(p.batch * p.groups * out, 64, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> column(static_cast<size_t>(channels * taps));  // the inputs of one output position
    for (int64_t i = begin; i < end; ++i) {
      const int64_t position = i % out, group = i / out % p.groups, n = i / out / p.groups;
      const Window::Dims o = Window::split(position, w.out);
      const int32_t* from = x.data() + (n * p.channels + group * channels) * in;
      for (int64_t tap = 0; tap < taps; ++tap) {
        const Window::Dims t = Window::split(tap, w.kernel);
        const int64_t d = w.source(0, o[0], t[0]), h = w.source(1, o[1], t[1]), v = w.source(2, o[2], t[2]);
        const bool inside = d >= 0 && d < w.in[0] && h >= 0 && h < w.in[1] && v >= 0 && v < w.in[2];
        const int64_t offset = (d * w.in[1] + h) * w.in[2] + v;
        for (int64_t ch = 0; ch < channels; ++ch)
          column[static_cast<size_t>(ch * taps + tap)] = inside ? from[ch * in + offset] : 0;
      }
      for (int64_t f = group * features; f < (group + 1) * features; ++f) {
        const int32_t* row = weights.data() + f * std::ssize(column);
        int64_t sum = 0;
        for (size_t k = 0; k < column.size(); ++k) sum += int64_t{row[k]} * column[k];
        store((n * p.features + f) * out + position, f, sum);
      }
    }
  });
}

void run_conv_integer(OpContext& c) {
  const Convolution p = read_convolution(c, 0, 1, 4);
  Tensor y = c.output(0, DType::i32, p.output_shape());
  if (c.shape_only()) return;
  const auto x = centred_codes(c, 0, 2, -1), weights = centred_codes(c, 1, 3, 0);
  int32_t* to = y.values<int32_t>().data();
  convolve(c, p, x, weights, [&](int64_t at, int64_t, int64_t sum) { to[at] = static_cast<int32_t>(sum); });
}

// Inputs: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (int32, scale sx * sw).
void run_qlinear_conv(OpContext& c) {
  const Convolution p = read_convolution(c, 0, 3, 8);
  Tensor y = c.output(0, c.input(7).dtype(), p.output_shape());
  const int64_t scales = c.input(4).elements();
  if (scales != 1 && scales != p.features) c.malformed(str(scales, " scales for ", p.features, " output channels"));
  if (c.shape_only()) return;
  const Requantize requantize = read_requantize(c, 1, 4, 6, 7);
  const auto x = centred_codes(c, 0, 2, -1), weights = centred_codes(c, 3, 5, 0);
  const std::vector<int32_t> bias = c.has(8) ? codes_of(c.data(8)) : std::vector<int32_t>();
  dispatch(y.dtype(), [&]<class T>(T*) {
    T* to = y.values<T>().data();
    if constexpr (std::is_integral_v<T>)
      convolve(c, p, x, weights, [&](int64_t at, int64_t f, int64_t sum) {
        to[at] = static_cast<T>(requantize.code(sum + (bias.empty() ? 0 : bias[static_cast<size_t>(f)]), f));
      });
  });
}

const Op kOps[] = {
    {.name = "ConvInteger", .min_inputs = 2, .max_inputs = 4, .since = 10, .run = run_conv_integer},
    {.name = "QLinearConv", .min_inputs = 8, .max_inputs = 9, .since = 10, .run = run_qlinear_conv},
};

}  // namespace

std::span<const Op> ops_integer_conv() { return kOps; }

}  // namespace bitwright
