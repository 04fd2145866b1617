// Scale and zero point of a vector, and what becomes of its numbers: in the three lines of the course (mission A0.2, A0.8), and
// with the schemes in use (A3.5 to A3.9).
#include "explain/explain.hpp"
#include "quant/textbook.hpp"

namespace bitwright::cli {
namespace {

struct Way {
  std::string_view name, formula;
  Symmetry symmetry = Symmetry::affine;
};
constexpr Way kWays[] = {
    {"normal", "s = (max - min) / (2^n - 1), Z = round(qmin - min / s), q = clamp(round(x / s + Z))"},
    {"clip", "as normal, but s and Z for twice the codes, then clamped: a counter-example"},
    {"affine", "s = (max - min) / (2^n - 1) with 0 in the range, Z = round(-min / s), q = clamp(round(x / s) + Z)"},
    {"symmetric", "s = max|x| / (2^(n-1) - 1), Z = 0, q = clamp(round(x / s)), all codes", Symmetry::symmetric},
    {"restricted", "as symmetric, without the lowest code", Symmetry::symmetric_restricted},
};

const Way& way_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Way& way : kWays) {
    if (way.name == name) return way;
    names.emplace_back(way.name);
  }
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "--mode is '", name, "', it must be one of ", join(names, ", "),
       near.empty() ? "" : "; did you mean '" + near + "'?");
}

struct Outcome {
  QParams q;
  Tensor codes, back;
  std::string kind;
};

Outcome course(const Tensor& x, Mode mode, int bits) {
  const QuantizedTensor t = quantize(x, mode, bits);
  return {{t.scale, t.zero_point}, t.int_repr(), t.dequantize(), str("INT", bits)};
}

Outcome in_use(const Tensor& x, const Way& way, int64_t bits) {
  const bool affine = way.symmetry == Symmetry::affine;
  Scheme scheme{&format_named(str(affine ? "uint" : "int", bits))};
  scheme.symmetry = way.symmetry;
  scheme.rule = QParamRule::textbook;
  const Grid grid = grid_of_constant(x, scheme, 0);
  const auto zero = grid.zero.elements() > 0 ? static_cast<int32_t>(value_as_int(grid.zero, 0)) : 0;
  const Tensor codes = quantize(x, grid);
  return {{static_cast<float>(value_as_double(grid.scale, 0)), zero}, codes, dequantize(codes, grid), str(affine ? "UINT" : "INT", bits)};
}

std::string bracketed(const Tensor& values, int digits) {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < values.elements(); ++i) parts.push_back(fixed(value_as_double(values, i), digits));
  return "[" + join(parts, ", ") + "]";
}

double mean_squared_error(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    const double d = value_as_double(a, i) - value_as_double(b, i);
    sum += d * d;
  }
  return sum / static_cast<double>(a.elements());
}

void explain_qparams(const ExplainArgs& args, const Context& c) {
  const Way& way = way_named(args.mode.empty() ? "normal" : args.mode);
  const int64_t bits = args.bits > 0 ? args.bits : 8;
  std::vector<float> values;
  for (const double value : numbers(args)) values.push_back(static_cast<float>(value));
  if (bits < 2 || bits > 16) fail(ErrorCode::usage, "--bits is ", bits, ", it must lie between 2 and 16");
  const Tensor x = Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  const bool taught = way.name == "normal" || way.name == "clip";
  const Outcome o = taught ? course(x, way.name == "clip" ? Mode::clip : Mode::normal, static_cast<int>(bits)) : in_use(x, way, bits);
  const double error = mean_squared_error(x, o.back);
  if (c.json) {
    DocumentList codes, back;
    for (int64_t i = 0; i < x.elements(); ++i) {
      codes.push_back(value_as_int(o.codes, i));
      back.push_back(value_as_double(o.back, i));
    }
    return c.print(Document().set("mode", way.name).set("scale", double{o.q.scale}).set("zero_point", int64_t{o.q.zero})
                       .set("codes", codes).set("dequantized", back).set("mean_squared_error", error));
  }
  c.print(str(way.name, ": ", way.formula, "\n"));
  c.print(str("scale = ", o.q.scale, ", zero point Z = ", o.q.zero, " in x = (q - Z) * s; ", plus_convention(o.q).zero,
              " where a text writes x = (q + Z) * s\n"));
  c.print(str("FP32: ", bracketed(x, 4), "\n", o.kind, ": ", bracketed(o.back, 4), "\n", o.kind,
              " integer representation: ", bracketed(o.codes, 0), "\n", "mean squared error: ", static_cast<float>(error), "\n"));
}

}  // namespace

const Topic kTopicQParams = {"qparams", "NUMBERS: their scale, zero point and codes (--mode, --bits)",
                             explain_qparams};

}  // namespace bitwright::cli
