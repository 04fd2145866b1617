// @name@: a skeleton with the codes of int8, rounded half to even. (Say here which specification the codes and the rounding
// come from.)
#include <array>

#include "quant/format.hpp"
#include "quant/rounding.hpp"

namespace bitwright {
namespace {

int32_t encode_@name@(const Format& format, float v) {
  return static_cast<int32_t>(rne(static_cast<double>(
      limit(v, static_cast<float>(format.code_min), static_cast<float>(format.code_max)))));
}
float decode_@name@(const Format&, int32_t code) { return static_cast<float>(code); }

constexpr std::array<Format, 1> kFormats = {{
    {"@name@", 8, DType::i8, DType::i8, true, true, -128, 127, encode_@name@, decode_@name@},
}};

}  // namespace

std::span<const Format> formats_@name@();
std::span<const Format> formats_@name@() { return kFormats; }

}  // namespace bitwright
