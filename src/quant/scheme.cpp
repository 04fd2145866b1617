#include "quant/scheme.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/rounding.hpp"

namespace bitwright {
namespace {

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();
constexpr double kLeastScale = std::numeric_limits<float>::min();

bool is_symmetric(const Scheme& scheme) { return scheme.symmetry != Symmetry::affine; }

// Toolkits whose symmetric grids leave the lowest code out by themselves.
bool is_restricted(const Scheme& scheme) {
  if (scheme.symmetry == Symmetry::symmetric_restricted) return true;
  if (scheme.symmetry == Symmetry::affine || !scheme.format->is_signed) return false;
  if (scheme.rule == QParamRule::onnxruntime) return scheme.format->bits == 8 || scheme.format->bits == 16;
  return scheme.rule == QParamRule::tflite;
}

CodeRange reduced_range(const Scheme& scheme, const Format& format) {
  const bool ort_signed = scheme.rule == QParamRule::onnxruntime && format.is_signed && format.bits >= 8;
  if (ort_signed) return {format.code_min / 2, -(format.code_min / 2)};  // int8: -64 ... 64
  return {format.code_min / 2, format.code_max / 2};
}

int32_t middle(const Scheme& scheme, CodeRange codes) {
  if (scheme.format->is_signed) return 0;
  const bool all = codes.qmax == scheme.format->code_max;
  return all ? 1 << (scheme.format->bits - 1) : (codes.qmin + codes.qmax) / 2;
}

double symmetric_scale(double amax, const Scheme& scheme, CodeRange codes) {
  const double steps = codes.qmax - codes.qmin;
  if (scheme.rule == QParamRule::textbook) return amax / (codes.qmax - middle(scheme, codes));
  if (scheme.rule == QParamRule::pytorch) return static_cast<float>(amax) / static_cast<float>(steps / 2);
  return 2 * amax / steps;
}

double affine_scale(float min, float max, const Scheme& scheme, CodeRange codes) {
  const double steps = codes.qmax - codes.qmin;
  const float width = max - min;
  const bool in_f32 = scheme.rule == QParamRule::pytorch && std::isfinite(width);
  if (in_f32) return width / static_cast<float>(steps);
  return (static_cast<double>(max) - static_cast<double>(min)) / steps;
}

double power_of_two(double scale, PowerOfTwo how) {
  const double exponent = std::log2(scale);
  return std::exp2(how == PowerOfTwo::ceil ? std::ceil(exponent) : std::nearbyint(exponent));
}

double tflite_zero(float min, float max, double scale, CodeRange codes) {
  const double from_min = codes.qmin - min / scale, from_max = codes.qmax - max / scale;
  const double error_min = std::abs(codes.qmin) + std::abs(min / scale);
  const double error_max = std::abs(codes.qmax) + std::abs(max / scale);
  return std::round(error_min < error_max ? from_min : from_max);
}

double affine_zero(float min, float max, double scale, const Scheme& scheme, CodeRange codes) {
  if (scheme.rule == QParamRule::tflite) return tflite_zero(min, max, scale, codes);
  if (scheme.rule == QParamRule::pytorch) {
    return codes.qmin - static_cast<double>(std::nearbyint(min / static_cast<float>(scale)));
  }
  return std::nearbyint(codes.qmin - min / scale);
}

void check(float min, float max, const Scheme& scheme) {
  BW_CHECK(scheme.format != nullptr);
  if (!scheme.include_zero && scheme.rule != QParamRule::textbook)
    fail(ErrorCode::usage, "a range without zero needs the textbook rule; the others keep zero exact");
  if (!std::isfinite(min) || !std::isfinite(max))
    fail(ErrorCode::numeric, "a range of [", min, ", ", max, "] has no scale");
}

// All values equal zero, or nothing seen: what each toolkit answers.
QParams degenerate(const Scheme& scheme, CodeRange codes) {
  if (is_symmetric(scheme)) return {scheme.rule == QParamRule::pytorch ? kEpsilon : 1.0f, middle(scheme, codes)};
  if (scheme.rule == QParamRule::pytorch) return {kEpsilon, codes.qmin};
  return {1.0f, std::clamp(0, codes.qmin, codes.qmax)};
}

}  // namespace

CodeRange code_range(const Scheme& scheme) {
  const Format& format = *scheme.format;
  CodeRange codes = {format.code_min, format.code_max};
  if (!format.is_integer) return codes;
  if (scheme.reduce_range) codes = reduced_range(scheme, format);
  if (is_restricted(scheme)) codes.qmin = format.is_signed ? -codes.qmax : codes.qmin + 1;
  return codes;
}

QParams choose_qparams(float min, float max, const Scheme& scheme) {
  if (!scheme.format->is_integer) return {};
  const CodeRange codes = code_range(scheme);
  if (min > max) return {1.0f, is_symmetric(scheme) ? middle(scheme, codes) : std::clamp(0, codes.qmin, codes.qmax)};
  check(min, max, scheme);
  if (scheme.include_zero || min == max) min = std::min(min, 0.0f), max = std::max(max, 0.0f);
  double scale = is_symmetric(scheme) ? symmetric_scale(std::max(-min, max), scheme, codes)
                                      : affine_scale(min, max, scheme, codes);
  if (scale < kLeastScale) return degenerate(scheme, codes);
  if (scheme.rule == QParamRule::pytorch) scale = std::max<double>(scale, kEpsilon);
  if (scheme.power_of_two != PowerOfTwo::no) scale = power_of_two(scale, scheme.power_of_two);
  const auto stored = static_cast<float>(std::min<double>(scale, std::numeric_limits<float>::max()));
  if (is_symmetric(scheme)) return {stored, middle(scheme, codes)};
  const double zero = affine_zero(min, max, scheme.power_of_two == PowerOfTwo::no ? scale : stored, scheme, codes);
  constexpr double kMost = 1 << 30;
  const double low = scheme.include_zero ? codes.qmin : -kMost, high = scheme.include_zero ? codes.qmax : kMost;
  return {stored, static_cast<int32_t>(std::clamp(zero, low, high))};
}

Grid make_grid(const Scheme& scheme, float min, float max) {
  const float mins[] = {min}, maxs[] = {max};
  return make_grid(scheme, {}, {}, mins, maxs);
}

Grid make_grid(const Scheme& scheme, const Layout& layout, std::span<const int64_t> shape, std::span<const float> mins,
               std::span<const float> maxs) {
  const CodeRange codes = code_range(scheme);
  Grid grid{scheme.format, codes.qmin, codes.qmax, layout, {}, {}, {}};
  if (!scheme.format->is_integer) return grid;
  const Shape parameters = parameter_shape(layout, shape);
  BW_CHECK(static_cast<int64_t>(mins.size()) == elements_of(parameters) && mins.size() == maxs.size());
  std::vector<float> scales(mins.size());
  std::vector<int32_t> zeros(mins.size());
  for (size_t i = 0; i < mins.size(); ++i) {
    const QParams q = choose_qparams(mins[i], maxs[i], scheme);
    scales[i] = q.scale, zeros[i] = q.zero;
  }
  grid.scale = Tensor::of<float>(parameters, scales);
  grid.zero = zero_tensor(*scheme.format, parameters, zeros);
  return grid;
}

Grid grid_of_constant(const Tensor& weight, const Scheme& scheme, int axis) {
  const Layout layout{scheme.granularity, scheme.granularity == Layout::tensor ? 0 : axis, scheme.block_size};
  const auto values = weight.values<float>();
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      fail(ErrorCode::numeric, "the value at index ", i, " is ", values[i], "; it cannot be quantized");
  const auto count = static_cast<size_t>(elements_of(parameter_shape(layout, weight.shape())));
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> mins(count, kInfinity), maxs(count, -kInfinity);
  for (const ParamRun& run : parameter_runs(layout, weight.shape()))
    for (int64_t i = 0; i < run.count; ++i) {
      const auto p = static_cast<size_t>(run.param + i * run.step);
      const float v = values[static_cast<size_t>(run.begin + i)];
      mins[p] = std::min(mins[p], v);
      maxs[p] = std::max(maxs[p], v);
    }
  return make_grid(scheme, layout, weight.shape(), mins, maxs);
}

}  // namespace bitwright
