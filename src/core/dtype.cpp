#include "core/dtype.hpp"

#include <array>

namespace bitwright {
namespace {

enum class Kind : uint8_t { other, real, integer };

struct Facts {
  std::string_view name;
  int bits;
  Kind kind;
  bool is_signed;
};

constexpr std::array<Facts, kDTypeCount> kFacts = {{
    {"none", 0, Kind::other, false},     {"f32", 32, Kind::real, true},       {"u8", 8, Kind::integer, false},
    {"i8", 8, Kind::integer, true},      {"u16", 16, Kind::integer, false},   {"i16", 16, Kind::integer, true},
    {"i32", 32, Kind::integer, true},    {"i64", 64, Kind::integer, true},    {"string", 0, Kind::other, false},
    {"bool", 8, Kind::other, false},     {"f16", 16, Kind::real, true},       {"f64", 64, Kind::real, true},
    {"u32", 32, Kind::integer, false},   {"u64", 64, Kind::integer, false},   {"c64", 64, Kind::other, true},
    {"c128", 128, Kind::other, true},    {"bf16", 16, Kind::real, true},      {"f8e4m3fn", 8, Kind::real, true},
    {"f8e4m3fnuz", 8, Kind::real, true}, {"f8e5m2", 8, Kind::real, true},     {"f8e5m2fnuz", 8, Kind::real, true},
    {"u4", 4, Kind::integer, false},     {"i4", 4, Kind::integer, true},      {"f4e2m1", 4, Kind::real, true},
    {"f8e8m0", 8, Kind::real, false},    {"u2", 2, Kind::integer, false},     {"i2", 2, Kind::integer, true},
}};

const Facts& facts(DType type) { return kFacts[static_cast<size_t>(type) % kFacts.size()]; }

}  // namespace

std::string_view name_of(DType type) { return facts(type).name; }
int bits_of(DType type) { return facts(type).bits; }
bool is_float(DType type) { return facts(type).kind == Kind::real; }
bool is_integer(DType type) { return facts(type).kind == Kind::integer; }
bool is_signed(DType type) { return facts(type).is_signed; }

DType dtype_named(std::string_view name) {
  for (size_t i = 0; i < kFacts.size(); ++i)
    if (kFacts[i].name == name) return static_cast<DType>(i);
  return DType::none;
}

}  // namespace bitwright
