#include "ops/codes.hpp"

#include <algorithm>

#include "ops/real.hpp"
#include "quant/rounding.hpp"

namespace bitwright {

std::vector<int32_t> codes_of(const Tensor& tensor) {
  std::vector<int32_t> codes(static_cast<size_t>(tensor.elements()));
  switch (tensor.dtype()) {
    case DType::u8: std::copy_n(tensor.values<uint8_t>().begin(), codes.size(), codes.begin()); break;
    case DType::i8: std::copy_n(tensor.values<int8_t>().begin(), codes.size(), codes.begin()); break;
    default:
      if (!is_integer(tensor.dtype()) || bits_of(tensor.dtype()) > 32)
        fail(ErrorCode::malformed, "codes are ", name_of(tensor.dtype()), ", wanted an integer type");
      for (size_t i = 0; i < codes.size(); ++i)
        codes[i] = static_cast<int32_t>(value_as_int(tensor, static_cast<int64_t>(i)));
  }
  return codes;
}

std::vector<int32_t> centred_codes(const OpContext& c, size_t i, size_t zero, int64_t axis) {
  std::vector<int32_t> codes = codes_of(c.data(i));
  if (!c.has(zero)) return codes;
  if (c.input(zero).dtype() != c.input(i).dtype())
    c.malformed(str("the zero point is ", name_of(c.input(zero).dtype()), ", its tensor ", name_of(c.input(i).dtype())));
  const std::vector<int32_t> zeros = codes_of(c.data(zero));
  const Shape& shape = c.input(i).shape();
  const int64_t channels = axis >= 0 && axis < std::ssize(shape) ? shape[static_cast<size_t>(axis)] : 1;
  if (zeros.size() != 1 && (axis < 0 || std::ssize(zeros) != channels))
    c.malformed(str(zeros.size(), " zero points for a tensor ", to_string(shape)));
  int64_t inner = 1;
  for (int64_t d = axis + 1; axis >= 0 && d < std::ssize(shape); ++d) inner *= shape[static_cast<size_t>(d)];
  for (size_t e = 0; e < codes.size(); ++e)
    codes[e] -= zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(static_cast<int64_t>(e) / inner % channels)];
  return codes;
}

std::pair<int64_t, int64_t> code_range(DType type) {
  const int bits = bits_of(type);
  if (!is_integer(type) || bits > 32) fail(ErrorCode::malformed, "element type ", name_of(type), " holds no codes");
  if (is_signed(type)) return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
  return {0, (int64_t{1} << bits) - 1};
}

int32_t Requantize::code(int64_t acc, int64_t channel) const {
  const auto range = code_range(type);
  const float m = multiplier[multiplier.size() == 1 ? 0 : static_cast<size_t>(channel)];
  const float v = limit(static_cast<float>(acc) * m, static_cast<float>(range.first - zero),
                        static_cast<float>(range.second - zero));
  return rne_small(v) + zero;
}

Requantize read_requantize(const OpContext& c, size_t sx, size_t sw, size_t sy, size_t zy) {
  const RealInput weights(c, sw);
  const float x = real_scalar(c, sx, 1), y = real_scalar(c, sy, 1);
  Requantize r;
  r.type = c.input(zy).dtype();
  if (bits_of(r.type) > 16) c.malformed(str("the output's zero point is ", name_of(r.type), ", wanted 8 or 16 bits"));
  if (c.data(zy).elements() != 1) c.malformed("the output has more than one zero point");
  r.zero = static_cast<int32_t>(value_as_int(c.data(zy), 0));
  for (int64_t i = 0; i < weights.tensor.elements(); ++i) {
    const float product = x * weights.data[i];
    r.multiplier.push_back(product / y);
  }
  return r;
}

}  // namespace bitwright
