#include "kernels/requantize/output.hpp"

namespace bitwright {
namespace {

float dequantized(const Dequantize& d, int64_t row, int64_t channel, int64_t acc) {
  const float scale = d.row_scale ? d.row_scale[row * d.row_stride] * d.scale[channel] : d.scale[channel];
  const float product = static_cast<float>(acc) * scale;
  return d.bias ? product + d.bias[channel] : product;
}

}  // namespace

void store(const Output& out, int64_t row, int64_t channel, int64_t acc) noexcept {
  const int64_t at = row * out.stride + channel;
  switch (out.type) {
    case DType::i64: static_cast<int64_t*>(out.data)[at] = acc; return;
    case DType::i32: static_cast<int32_t*>(out.data)[at] = static_cast<int32_t>(acc); return;
    case DType::f32: static_cast<float*>(out.data)[at] = dequantized(out.dequantize, row, channel, acc); return;
    default: break;
  }
  const int32_t code = requantize(out.requantize, acc, channel);
  switch (out.type) {
    case DType::u8: static_cast<uint8_t*>(out.data)[at] = static_cast<uint8_t>(code); return;
    case DType::i8: static_cast<int8_t*>(out.data)[at] = static_cast<int8_t>(code); return;
    case DType::u16: static_cast<uint16_t*>(out.data)[at] = static_cast<uint16_t>(code); return;
    case DType::i16: static_cast<int16_t*>(out.data)[at] = static_cast<int16_t>(code); return;
    default: return;  // run time only sees types that select() accepted
  }
}

}  // namespace bitwright
