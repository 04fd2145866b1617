// Element types of tensors: everything an ONNX file may hold. One table gives the facts.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/half.hpp"

namespace bitwright {

// Numbers are ONNX's TensorProto.DataType, so that reading and writing need no second table.
enum class DType : uint8_t {
  none = 0, f32 = 1, u8 = 2, i8 = 3, u16 = 4, i16 = 5, i32 = 6, i64 = 7, string = 8, boolean = 9, f16 = 10, f64 = 11,
  u32 = 12, u64 = 13, c64 = 14, c128 = 15, bf16 = 16, f8e4m3fn = 17, f8e4m3fnuz = 18, f8e5m2 = 19, f8e5m2fnuz = 20,
  u4 = 21, i4 = 22, f4e2m1 = 23, f8e8m0 = 24, u2 = 25, i2 = 26,
};

constexpr int kDTypeCount = 27;

/// "f32", "i8", "bf16", ... ; "none" for the empty type.
std::string_view name_of(DType type);
/// The type with that name, DType::none if there is no such type.
DType dtype_named(std::string_view name);
/// Bits that one element takes in memory; 0 for string and none. Sub-byte types are packed, lowest bits first.
int bits_of(DType type);
bool is_float(DType type);    // f64, f32, f16, bf16, every f8 and f4
bool is_integer(DType type);  // signed or unsigned, not boolean
bool is_signed(DType type);

template <class T> inline constexpr DType dtype_of = DType::none;
template <> inline constexpr DType dtype_of<float> = DType::f32;
template <> inline constexpr DType dtype_of<double> = DType::f64;
template <> inline constexpr DType dtype_of<Half> = DType::f16;
template <> inline constexpr DType dtype_of<BFloat16> = DType::bf16;
template <> inline constexpr DType dtype_of<int8_t> = DType::i8;
template <> inline constexpr DType dtype_of<uint8_t> = DType::u8;
template <> inline constexpr DType dtype_of<int16_t> = DType::i16;
template <> inline constexpr DType dtype_of<uint16_t> = DType::u16;
template <> inline constexpr DType dtype_of<int32_t> = DType::i32;
template <> inline constexpr DType dtype_of<uint32_t> = DType::u32;
template <> inline constexpr DType dtype_of<int64_t> = DType::i64;
template <> inline constexpr DType dtype_of<uint64_t> = DType::u64;
template <> inline constexpr DType dtype_of<bool> = DType::boolean;

}  // namespace bitwright
