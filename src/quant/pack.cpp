#include "quant/pack.hpp"

namespace bitwright {
namespace {

template <class T>
Tensor pack_codes(std::span<const T> codes, const Shape& shape, DType file) {
  const int bits = bits_of(file), per_byte = 8 / bits, mask = (1 << bits) - 1;
  const int low = is_signed(file) ? -(1 << (bits - 1)) : 0, high = low + mask;
  Tensor packed(file, shape);
  auto* const out = reinterpret_cast<uint8_t*>(packed.raw());
  for (size_t i = 0; i < codes.size(); ++i) {
    const int code = codes[i];
    if (code < low || code > high)
      fail(ErrorCode::mismatch, "code ", code, " at index ", i, " does not fit ", name_of(file), ", which holds ", low,
           " to ", high);
    const auto byte = i / static_cast<size_t>(per_byte);
    out[byte] = static_cast<uint8_t>(out[byte] | ((code & mask) << (static_cast<int>(i % per_byte) * bits)));
  }
  return packed;
}

template <class T>
Tensor unpack_codes(const Tensor& packed) {
  const int bits = bits_of(packed.dtype()), per_byte = 8 / bits, mask = (1 << bits) - 1;
  const int sign = std::is_signed_v<T> ? 1 << (bits - 1) : 0;  // (v ^ sign) - sign extends the sign bit
  Tensor codes(dtype_of<T>, packed.shape());
  const auto* const in = reinterpret_cast<const uint8_t*>(packed.raw());
  const auto out = codes.values<T>();
  for (size_t i = 0; i < out.size(); ++i) {
    const int code = (in[i / static_cast<size_t>(per_byte)] >> (static_cast<int>(i % per_byte) * bits)) & mask;
    out[i] = static_cast<T>((code ^ sign) - sign);
  }
  return codes;
}

}  // namespace

bool is_packed(DType type) { return is_integer(type) && bits_of(type) < 8; }

Tensor pack(const Tensor& codes, DType file) {
  BW_CHECK(is_packed(file));
  if (codes.dtype() == DType::i8) return pack_codes(codes.values<int8_t>(), codes.shape(), file);
  return pack_codes(codes.values<uint8_t>(), codes.shape(), file);
}

Tensor unpack(const Tensor& codes) {
  if (!is_packed(codes.dtype())) return codes;
  return is_signed(codes.dtype()) ? unpack_codes<int8_t>(codes) : unpack_codes<uint8_t>(codes);
}

}  // namespace bitwright
