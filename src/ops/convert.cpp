#include "ops/convert.hpp"

#include <algorithm>
#include <cmath>

#include "ops/minifloat.hpp"

namespace bitwright {
namespace {

void set_packed_code(Tensor& tensor, int64_t i, uint32_t code) {
  const int bits = bits_of(tensor.dtype()), per_byte = 8 / bits;
  const int shift = static_cast<int>(i % per_byte) * bits;
  const auto mask = ((1u << bits) - 1) << shift;
  auto& byte = tensor.raw()[i / per_byte];
  byte = static_cast<std::byte>((static_cast<uint32_t>(byte) & ~mask) | ((code << shift) & mask));
}

// Cut towards zero, limited to what int64 holds; NaN gives 0.
int64_t cut(double value) {
  if (!(value > -0x1p63)) return value == value ? INT64_MIN : 0;
  return value < 0x1p63 ? static_cast<int64_t>(value) : INT64_MAX;
}

template <class To>
To number_as(double value) {
  if constexpr (std::is_same_v<To, int64_t>) return cut(value);
  else return value;
}

// Types of less than 8 bits and 8-bit floats, one by one.
template <class N>
N read_small(const Tensor& tensor, int64_t i) {
  const DType type = tensor.dtype();
  if (type == DType::f8e8m0) return number_as<N>(decode_power(static_cast<uint8_t>(tensor.raw()[i])));
  const uint32_t code = load_code(tensor.raw(), i, bits_of(type));
  if (const SmallFloat* format = small_float(type)) return number_as<N>(decode_small(*format, code));
  const int bits = bits_of(type);
  const bool negative = is_signed(type) && (code >> (bits - 1));
  return static_cast<N>(static_cast<int>(code) - (negative ? 1 << bits : 0));
}

void write_small(Tensor& tensor, int64_t i, double value) {
  const DType type = tensor.dtype();
  uint32_t code = 0;
  if (type == DType::f8e8m0) {
    code = encode_power(value, PowerRounding::up, true);
  } else if (const SmallFloat* format = small_float(type)) {
    code = encode_small(*format, value, true);
  } else {
    code = static_cast<uint32_t>(cut(value));
  }
  if (bits_of(type) < 8) return set_packed_code(tensor, i, code);
  tensor.raw()[i] = static_cast<std::byte>(code);
}

bool is_plain(DType type) { return bits_of(type) >= 8 && !(is_float(type) && bits_of(type) == 8); }

template <class N>
void read_all(const Tensor& tensor, int64_t at, int64_t count, N* to) {
  if (!is_plain(tensor.dtype())) {
    for (int64_t i = 0; i < count; ++i) to[i] = read_small<N>(tensor, at + i);
    return;
  }
  dispatch(tensor.dtype(), [&]<class T>(T*) {
    const T* from = tensor.values<T>().data() + at;
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_integral_v<T>) {
        to[i] = static_cast<N>(from[i]);
      } else {
        to[i] = number_as<N>(static_cast<double>(from[i]));
      }
    }
  });
}

template <class T>
T as(double value) {
  if constexpr (std::is_same_v<T, bool>) return value != 0;
  else if constexpr (std::is_same_v<T, uint64_t>) return value >= 0x1p63 && value < 0x1p64 ? static_cast<uint64_t>(value) : static_cast<uint64_t>(cut(value));
  else if constexpr (std::is_integral_v<T>) return static_cast<T>(cut(value));
  else if constexpr (std::is_arithmetic_v<T>) return static_cast<T>(value);
  else {
    T result;
    result.bits = static_cast<uint16_t>(encode_small(*small_float(dtype_of<T>), value, false));
    return result;
  }
}

template <class T>
T as(int64_t value) {
  if constexpr (std::is_same_v<T, bool>) return value != 0;
  else if constexpr (std::is_arithmetic_v<T>) return static_cast<T>(value);
  else return as<T>(static_cast<double>(value));
}

template <class N>
void write_all(Tensor& tensor, int64_t at, int64_t count, const N* from) {
  if (!is_plain(tensor.dtype())) {
    for (int64_t i = 0; i < count; ++i) write_small(tensor, at + i, static_cast<double>(from[i]));
    return;
  }
  dispatch(tensor.dtype(), [&]<class T>(T*) {
    T* to = tensor.values<T>().data() + at;
    for (int64_t i = 0; i < count; ++i) to[i] = as<T>(from[i]);
  });
}

}  // namespace

void read_numbers(const Tensor& tensor, int64_t at, int64_t count, double* to) { read_all(tensor, at, count, to); }
void read_numbers(const Tensor& tensor, int64_t at, int64_t count, int64_t* to) { read_all(tensor, at, count, to); }
void write_numbers(Tensor& tensor, int64_t at, int64_t count, const double* from) { write_all(tensor, at, count, from); }
void write_numbers(Tensor& tensor, int64_t at, int64_t count, const int64_t* from) { write_all(tensor, at, count, from); }

}  // namespace bitwright
