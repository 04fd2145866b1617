// A number format: which codes exist, how they are stored, and how a number that was already divided by its scale
// becomes a code and back. Rounding belongs to the format (docs/quantization.md Q1), scales and zero points to the Grid.
// One file per family in formats/ registers itself by its name; a new format is one new file.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/dtype.hpp"

namespace bitwright {

struct Format {
  std::string_view name;  // "int8", "uint4", "bf16"
  int bits;               // of one code
  DType storage;          // in memory, one code per element: i8 u8 i16 u16 i32 f16 bf16
  DType file;             // in ONNX files: the smallest tensor type that holds a code (packed below 8 bits)
  bool is_signed;
  bool is_integer;        // the codes are the numbers themselves, and a zero point may be subtracted from them
  int32_t code_min, code_max;  // all codes; for float formats the bit patterns 0 ... 2^bits - 1
  int32_t (*encode_with)(const Format&, float);
  float (*decode_with)(const Format&, int32_t);

  /// The code of `v` = x / scale, saturating. Integer formats: NaN gives code_min. Float formats keep NaN and infinity.
  int32_t encode(float v) const { return encode_with(*this, v); }
  float decode(int32_t code) const { return decode_with(*this, code); }
};

/// Every format, ordered by family and width. Pointers live for ever and can be compared.
std::span<const Format* const> formats();
/// int2 ... int16, uint2 ... uint16, int32 (biases), fp16, bf16; nullptr for any other name.
const Format* find_format(std::string_view name);
/// Like find_format; throws Error{usage} naming the nearest format.
const Format& format_named(std::string_view name);
/// The format whose codes an ONNX tensor of this type holds: u8 -> uint8, i4 -> int4; nullptr if there is none.
const Format* format_of(DType file);

}  // namespace bitwright
