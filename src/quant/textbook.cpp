#include "quant/textbook.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace bitwright {
namespace {

const Format& signed_format(int bits) {
  if (bits < 2 || bits > 16) fail(ErrorCode::usage, "there are no integer codes of ", bits, " bits; take 2 to 16");
  return format_named("int" + std::to_string(bits));
}

// A float zero point makes the grid round x / s + Z once; the integers differ from rne(x / s) + Z only at ties.
Grid textbook_grid(const Format& format, float scale, int32_t zero_point) {
  Grid grid = tensor_grid(format, scale);
  grid.zero = Tensor::scalar(static_cast<float>(zero_point));
  return grid;
}

}  // namespace

QParams choose_qparams(std::span<const float> values, Mode mode, int bits) {
  const Format& format = signed_format(bits);
  if (values.empty()) fail(ErrorCode::numeric, "an empty vector has no scale");
  double min = values[0], max = values[0];
  for (const float v : values) {
    if (!std::isfinite(v)) fail(ErrorCode::numeric, "a vector holding ", v, " has no scale");
    min = std::min<double>(min, v), max = std::max<double>(max, v);
  }
  if (min == max) min = std::min(min, 0.0), max = std::max(max, 0.0);  // a constant: zero bounds its range
  if (min == max) return {};
  const int widen = mode == Mode::clip ? 2 : 1;
  const double lowest = widen * format.code_min, steps = widen * std::exp2(bits) - 1;
  const double scale = (max - min) / steps;
  return {static_cast<float>(scale), static_cast<int32_t>(std::nearbyint(lowest - min / scale))};
}

QuantizedTensor quantize(const Tensor& values, Mode mode, int bits) {
  const QParams q = choose_qparams(values.values<float>(), mode, bits);
  return {quantize(values, textbook_grid(signed_format(bits), q.scale, q.zero)), q.scale, q.zero};
}

Tensor QuantizedTensor::dequantize() const {
  return bitwright::dequantize(codes, tensor_grid(*format_of(codes.dtype()), scale, zero_point));
}

}  // namespace bitwright
