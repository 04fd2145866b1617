// One-input mathematics: exponential, logarithm, roots, trigonometric and hyperbolic functions, rounding. Quantized: one
// 8-bit input, so any of them is a table.
#include <cmath>

#include "ops/unary.hpp"

namespace bitwright {
namespace {

// The C library's function of the operand's own precision.
#define BW_MATH(name, expression) \
  void run_##name(OpContext& c) { \
    run_unary(c, [](auto x) { return expression; }); \
  }

BW_MATH(sqrt, std::sqrt(x))
BW_MATH(reciprocal, 1 / x)
BW_MATH(exp, std::exp(x))
BW_MATH(log, std::log(x))
BW_MATH(ceil, std::ceil(x))
BW_MATH(floor, std::floor(x))
BW_MATH(round, std::nearbyint(x))  // half to even
BW_MATH(sin, std::sin(x))
BW_MATH(cos, std::cos(x))
BW_MATH(tan, std::tan(x))
BW_MATH(asin, std::asin(x))
BW_MATH(acos, std::acos(x))
BW_MATH(atan, std::atan(x))
BW_MATH(sinh, std::sinh(x))
BW_MATH(cosh, std::cosh(x))
BW_MATH(asinh, std::asinh(x))
BW_MATH(acosh, std::acosh(x))
BW_MATH(atanh, std::atanh(x))

#undef BW_MATH

void run_erf(OpContext& c) {
  run_unary_of_numbers(c, [](auto x) { return std::erf(x); });
}

const QuantRule kTable = {.kind = QuantRule::Kind::table};

const Op kOps[] = {
    {.name = "Sqrt", .since = 6, .run = run_sqrt, .quant = kTable},
    {.name = "Reciprocal", .since = 6, .run = run_reciprocal, .quant = kTable},
    {.name = "Exp", .since = 6, .run = run_exp, .quant = kTable},
    {.name = "Log", .since = 6, .run = run_log, .quant = kTable},
    {.name = "Erf", .since = 9, .run = run_erf, .quant = kTable},
    {.name = "Ceil", .since = 6, .run = run_ceil, .quant = kTable},
    {.name = "Floor", .since = 6, .run = run_floor, .quant = kTable},
    {.name = "Round", .since = 11, .run = run_round, .quant = kTable},
    {.name = "Sin", .since = 7, .run = run_sin, .quant = kTable},
    {.name = "Cos", .since = 7, .run = run_cos, .quant = kTable},
    {.name = "Tan", .since = 7, .run = run_tan, .quant = kTable},
    {.name = "Asin", .since = 7, .run = run_asin, .quant = kTable},
    {.name = "Acos", .since = 7, .run = run_acos, .quant = kTable},
    {.name = "Atan", .since = 7, .run = run_atan, .quant = kTable},
    {.name = "Sinh", .since = 9, .run = run_sinh, .quant = kTable},
    {.name = "Cosh", .since = 9, .run = run_cosh, .quant = kTable},
    {.name = "Asinh", .since = 9, .run = run_asinh, .quant = kTable},
    {.name = "Acosh", .since = 9, .run = run_acosh, .quant = kTable},
    {.name = "Atanh", .since = 9, .run = run_atanh, .quant = kTable},
};

}  // namespace

std::span<const Op> ops_math() { return kOps; }

}  // namespace bitwright
