// Integers of 2 to 16 bits, two's complement or unsigned, rounded half to even (ONNX QuantizeLinear, PyTorch), and
// int32 for biases.
#include <array>
#include <cmath>

#include "quant/format.hpp"

namespace bitwright {
namespace {

constexpr int kLeastBits = 2;
constexpr int kMostBits = 16;
constexpr int kWidths = kMostBits - kLeastBits + 1;

constexpr std::array<std::string_view, kWidths> kSignedNames = {"int2",  "int3",  "int4",  "int5",  "int6",
                                                                "int7",  "int8",  "int9",  "int10", "int11",
                                                                "int12", "int13", "int14", "int15", "int16"};

constexpr std::array<std::string_view, kWidths> kUnsignedNames = {"uint2",  "uint3",  "uint4",  "uint5",  "uint6",
                                                                  "uint7",  "uint8",  "uint9",  "uint10", "uint11",
                                                                  "uint12", "uint13", "uint14", "uint15", "uint16"};

// In double, because float(2^31 - 1) is 2^31; the comparisons send NaN to code_min.
int32_t encode_integer(const Format& format, float v) {
  const double rounded = std::nearbyint(static_cast<double>(v));
  if (!(rounded > format.code_min)) return format.code_min;
  return rounded < format.code_max ? static_cast<int32_t>(rounded) : format.code_max;
}

float decode_integer(const Format&, int32_t code) { return static_cast<float>(code); }

constexpr DType storage_type(int bits, bool is_signed) {
  if (bits <= 8) return is_signed ? DType::i8 : DType::u8;
  return is_signed ? DType::i16 : DType::u16;
}

constexpr DType file_type(int bits, bool is_signed) {
  if (bits <= 2) return is_signed ? DType::i2 : DType::u2;
  if (bits <= 4) return is_signed ? DType::i4 : DType::u4;
  return storage_type(bits, is_signed);
}

constexpr Format integer_format(int bits, bool is_signed) {
  const auto index = static_cast<size_t>(bits - kLeastBits);
  return {is_signed ? kSignedNames[index] : kUnsignedNames[index],
          bits,
          storage_type(bits, is_signed),
          file_type(bits, is_signed),
          is_signed,
          true,
          is_signed ? -(1 << (bits - 1)) : 0,
          is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1,
          encode_integer,
          decode_integer};
}

constexpr auto kFormats = [] {
  std::array<Format, 2 * kWidths + 1> all{};
  for (int i = 0; i < kWidths; ++i) {
    all[static_cast<size_t>(i)] = integer_format(kLeastBits + i, true);
    all[static_cast<size_t>(kWidths + i)] = integer_format(kLeastBits + i, false);
  }
  all[2 * kWidths] = {"int32", 32,        DType::i32, DType::i32,     true,
                      true,    INT32_MIN, INT32_MAX,  encode_integer, decode_integer};
  return all;
}();

}  // namespace

std::span<const Format> formats_integer();
std::span<const Format> formats_integer() { return kFormats; }

}  // namespace bitwright
