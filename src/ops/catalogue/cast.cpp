// Cast and CastLike between all element types. Numbers travel as doubles, or as int64 from integer to integer (which
// keeps the low bits) and from integer to float (one rounding).
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "ops/convert.hpp"
#include "ops/minifloat.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

struct Target {
  DType type;
  bool saturate;
  PowerRounding rounding;
};

double parsed(const OpContext& c, std::string text) {
  const size_t first = text.find_first_not_of(" \t\n\r"), last = text.find_last_not_of(" \t\n\r");
  text = first == std::string::npos ? "" : text.substr(first, last - first + 1);
  const char* begin = text.c_str() + (text[0] == '+' ? 1 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(begin, text.c_str() + text.size(), value);  // takes inf and nan in any case
  if (error == std::errc::result_out_of_range) return text[0] == '-' ? -INFINITY : INFINITY;
  if (error != std::errc() || end != text.c_str() + text.size() || text.empty())
    c.malformed(str("cannot read '", text, "' as a number"));
  return value;
}

std::string printed(const Tensor& x, int64_t i) {
  if (x.dtype() == DType::boolean) return value_as_int(x, i) ? "True" : "False";
  if (x.dtype() == DType::u64) return str(x.values<uint64_t>()[static_cast<size_t>(i)]);
  int64_t whole = 0;
  if (!is_float(x.dtype())) return read_numbers(x, i, 1, &whole), str(whole);
  double value = 0;
  read_numbers(x, i, 1, &value);
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  return x.dtype() == DType::f64 ? str(value) : str(static_cast<float>(value));
}

void to_strings(const Tensor& x, Tensor& y) {
  for (int64_t i = 0; i < x.elements(); ++i) y.strings()[static_cast<size_t>(i)] = printed(x, i);
}

// 8- and 4-bit floats know how to saturate; every other type is written as it is.
void write_values(Tensor& y, int64_t at, int64_t count, const double* from, const Target& target) {
  const SmallFloat* format = small_float(target.type);
  for (int64_t i = 0; i < count; ++i) {
    if (target.type == DType::f8e8m0)
      y.raw()[at + i] = static_cast<std::byte>(encode_power(from[i], target.rounding, target.saturate));
    else if (format && bits_of(target.type) == 8)
      y.raw()[at + i] = static_cast<std::byte>(encode_small(*format, from[i], target.saturate));
  }
  if (bits_of(target.type) != 8 || !is_float(target.type)) write_numbers(y, at, count, from);
}

void convert(OpContext& c, const Tensor& x, Tensor& y, const Target& target) {
  constexpr int64_t kChunk = 1024;  // even, so that no two chunks meet in a byte of packed elements
  const bool as_integers = !is_float(x.dtype()) && !(x.dtype() == DType::u64 && is_float(target.type)) &&
                           !(is_float(target.type) && bits_of(target.type) <= 8);
  c.parallel(x.elements(), 16 * kChunk, [&](int64_t begin, int64_t end) {
    std::array<int64_t, kChunk> integers;
    std::array<double, kChunk> reals;
    for (int64_t at = begin; at < end; at += kChunk) {
      const int64_t count = std::min(kChunk, end - at);
      if (as_integers) {
        read_numbers(x, at, count, integers.data());
        write_numbers(y, at, count, integers.data());
      } else {
        read_numbers(x, at, count, reals.data());
        if (x.dtype() == DType::u64)
          for (int64_t i = 0; i < count; ++i) reals[static_cast<size_t>(i)] = static_cast<double>(x.values<uint64_t>()[static_cast<size_t>(at + i)]);
        write_values(y, at, count, reals.data(), target);
      }
    }
  });
}

PowerRounding read_rounding(const OpContext& c) {
  const std::string mode = c.node().attr_string("round_mode", "up");
  if (mode == "up") return PowerRounding::up;
  if (mode == "down") return PowerRounding::down;
  if (mode == "nearest") return PowerRounding::nearest;
  c.malformed(str("round_mode is '", mode, "', wanted up, down or nearest"));
}

void cast(OpContext& c, DType type) {
  const Tensor& x = c.input(0);
  if (type == x.dtype()) return c.forward(0, x);
  const bool complex = type == DType::c64 || type == DType::c128 || x.dtype() == DType::c64 || x.dtype() == DType::c128;
  if (complex) c.unsupported(str("cannot cast ", name_of(x.dtype()), " to ", name_of(type)));
  const Target target{type, c.node().attr_int("saturate", 1) != 0, read_rounding(c)};
  Tensor y = c.output(0, type, x.shape());
  if (c.shape_only()) return;
  const Tensor& from = c.data(0);
  if (type == DType::string) return to_strings(from, y);
  if (x.dtype() != DType::string) return convert(c, from, y, target);
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double value = parsed(c, from.strings()[static_cast<size_t>(i)]);
    write_values(y, i, 1, &value, target);
  }
}

void run_cast(OpContext& c) {
  const int64_t to = c.node().attr_int("to", 0);
  if (to <= 0 || to >= kDTypeCount) c.malformed(str("cannot cast to type ", to));
  cast(c, static_cast<DType>(to));
}

void run_cast_like(OpContext& c) { cast(c, c.input(1).dtype()); }

bool downgrade_cast(UpgradeContext& u) {
  if (u.opset < 19) u.node.attributes.erase("saturate");
  if (u.opset < 24) u.node.attributes.erase("round_mode");
  return u.node.is("Cast") ? u.opset >= 6 : u.opset >= 15;
}

const Op kOps[] = {
    {.name = "Cast", .since = 24, .run = run_cast, .downgrade = downgrade_cast},
    {.name = "CastLike", .min_inputs = 2, .max_inputs = 2, .since = 24, .run = run_cast_like,
     .downgrade = downgrade_cast},
};

}  // namespace

std::span<const Op> ops_cast() { return kOps; }

}  // namespace bitwright
