// How a number is stored (mission A3.3, A3.4).
#include <algorithm>
#include <bit>
#include <cmath>

#include "explain/explain.hpp"

namespace bitwright::cli {
namespace {

std::string binary(uint64_t value, int digits) {
  std::string text;
  for (int i = digits - 1; i >= 0; --i) text += (value >> i) & 1 ? '1' : '0';
  return text;
}

std::string hex(uint64_t value, int digits) {
  std::string text = "0x";
  for (int i = digits - 1; i >= 0; --i) text += "0123456789ABCDEF"[(value >> (4 * i)) & 15];
  return text;
}

struct FloatLayout {
  std::string_view name;
  int exponent, mantissa;
  int bias() const { return (1 << (exponent - 1)) - 1; }
};
constexpr FloatLayout kFloats[] = {{"float32", 8, 23}, {"bf16", 8, 7}, {"fp16", 5, 10}, {"float64", 11, 52}};

uint64_t float_bits(double value, const FloatLayout& f) {
  if (f.name == "float64") return std::bit_cast<uint64_t>(value);
  const auto single = static_cast<float>(value);
  if (f.name == "float32") return std::bit_cast<uint32_t>(single);
  return static_cast<uint64_t>(static_cast<uint32_t>(format_named(f.name).encode(single))) & 0xffff;
}

using Facts = std::vector<std::pair<std::string, std::string>>;

Facts float_facts(double value, const FloatLayout& f) {
  const int width = 1 + f.exponent + f.mantissa;
  const uint64_t bits = float_bits(value, f), mantissa = bits & ((uint64_t{1} << f.mantissa) - 1);
  const uint64_t most = (uint64_t{1} << f.exponent) - 1, exponent = (bits >> f.mantissa) & most;
  const bool negative = (bits >> (width - 1)) & 1;
  Facts facts = {{"sign", str(negative ? 1 : 0)},
                 {"exponent", str(binary(exponent, f.exponent), " (", exponent, ")")},
                 {"mantissa", binary(mantissa, f.mantissa)},
                 {"hex", hex(bits, width / 4)}};
  const std::string sign = negative ? "-" : "";
  if (exponent == most) facts.emplace_back("value", mantissa ? "not a number" : sign + "infinity");
  else if (exponent == 0) facts.emplace_back("value", str(sign, "0.", binary(mantissa, f.mantissa), "b x 2^", 1 - f.bias()));
  else facts.emplace_back("value", str(sign, "1.", binary(mantissa, f.mantissa), "b x 2^", static_cast<int>(exponent) - f.bias()));
  return facts;
}

Facts integer_facts(double value, const Format& format) {
  // Not through float, which has 24 bits: rounded half to even and clamped as every integer format does.
  const int32_t code = std::isnan(value) ? format.code_min
                                         : static_cast<int32_t>(std::clamp<double>(std::nearbyint(value), format.code_min, format.code_max));
  const uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(code)) & ((uint64_t{1} << format.bits) - 1);
  Facts facts = {{"code", str(code)}, {"bits", binary(bits, format.bits)}, {"hex", hex(bits, (format.bits + 3) / 4)}};
  const uint64_t top = uint64_t{1} << (format.bits - 1), sign = bits / top;
  if (format.is_signed) facts.emplace_back("sign", str(sign, ", two's complement: -", top, " * ", sign, " + ", bits % top));
  return facts;
}

void explain_bits(const ExplainArgs& args, const Context& c) {
  const std::string type = args.type.empty() ? "float32" : args.type;
  const FloatLayout* layout = nullptr;
  for (const FloatLayout& f : kFloats)
    if (f.name == type) layout = &f;
  DocumentList list;
  for (const double value : numbers(args)) {
    const Facts facts = layout ? float_facts(value, *layout) : integer_facts(value, format_named(type));
    Document document = Document().set("number", value).set("type", type);
    std::string text = str(value, " as ", type, "\n");
    for (const auto& [name, fact] : facts) {
      text += name + std::string(9 - name.size(), ' ') + fact + "\n";
      document.set(name, fact);
    }
    if (!c.json) c.print(text);
    list.push_back(document);
  }
  if (c.json) c.print(Document().set("bits", list));
}

}  // namespace

const Topic kTopicBits = {"bits", "NUMBERS: how each is stored (--type)", explain_bits};

}  // namespace bitwright::cli
