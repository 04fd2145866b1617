// The 16-bit floats: IEEE binary16 and bfloat16, rounded half to even; binary16 overflows to infinity.
#include <array>

#include "core/half.hpp"
#include "quant/format.hpp"

namespace bitwright {
namespace {

int32_t encode_fp16(const Format&, float v) { return f32_to_f16_bits(v); }
float decode_fp16(const Format&, int32_t code) { return f16_bits_to_f32(static_cast<uint16_t>(code)); }
int32_t encode_bf16(const Format&, float v) { return f32_to_bf16_bits(v); }
float decode_bf16(const Format&, int32_t code) { return bf16_bits_to_f32(static_cast<uint16_t>(code)); }

constexpr std::array<Format, 2> kFormats = {{
    {"fp16", 16, DType::f16, DType::f16, true, false, 0, 0xffff, encode_fp16, decode_fp16},
    {"bf16", 16, DType::bf16, DType::bf16, true, false, 0, 0xffff, encode_bf16, decode_bf16},
}};

}  // namespace

std::span<const Format> formats_half();
std::span<const Format> formats_half() { return kFormats; }

}  // namespace bitwright
