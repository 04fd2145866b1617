// A Scheme is the wish (which format, symmetric or not, over what), choose_qparams makes it a scale and a zero point for
// an observed range. The toolkits disagree in small ways that change integers; each way is a named rule with its source,
// so that a preset reproduces its toolkit exactly (docs/quantization.md Q3, Q4).
#pragma once

#include <span>

#include "quant/grid.hpp"

namespace bitwright {

enum class Symmetry : uint8_t {
  affine,               // the zero point goes where the range puts it
  symmetric,            // zero in the middle, all codes: int8 -128 ... 127
  symmetric_restricted  // and the lowest code unused: int8 -127 ... 127
};

/// Scale rounded to a power of two: up (nothing clips) or to the nearest exponent (algorithms.md B.30).
enum class PowerOfTwo : uint8_t { no, ceil, nearest };

enum class QParamRule : uint8_t {
  pytorch,      // torch/ao/quantization/observer.py: f32 arithmetic, symmetric s = amax / ((qmax - qmin) / 2), so 127.5
                // for int8; s at least 2^-23; zero point qmin - rne(min / s)
  onnxruntime,  // onnxruntime/quantization/quant_utils.py compute_scale_zp: float64; symmetric int8, int16 are restricted
  tflite,       // gemmlowp / tensorflow/lite/kernels/internal/quantization_util.h: zero point from the end with the smaller
                // error, half away from zero; symmetric is restricted
  textbook      // s = (max - min) / (qmax - qmin), z = rne(qmin - min / s), symmetric s = amax / (2^(n-1) - 1); Q3 excepted
};

struct Scheme {
  const Format* format = nullptr;
  Symmetry symmetry = Symmetry::affine;
  Layout::Kind granularity = Layout::tensor;
  int64_t block_size = 0;      // with Layout::block
  bool reduce_range = false;   // half of the codes: for CPUs whose u8 x s8 instruction saturates at 16 bits (Q5)
  bool include_zero = true;    // false only with the textbook rule: the range as observed, zero may have no code
  PowerOfTwo power_of_two = PowerOfTwo::no;
  QParamRule rule = QParamRule::pytorch;
};

struct QParams {
  float scale = 1;
  int32_t zero = 0;
};

struct CodeRange {
  int32_t qmin, qmax;
};

/// The codes that a scheme uses: int8 restricted -127 ... 127, uint8 reduced 0 ... 127. Float formats: all.
CodeRange code_range(const Scheme& scheme);

/// Scale and zero point for values in [min, max]; min > max means nothing was observed and gives {1, 0 or the middle}.
/// The scale is positive, finite and normal; the zero point is one of the codes unless include_zero is false.
/// Throws Error{numeric} when a bound is not finite, Error{usage} for a scheme that no rule defines.
/// choose_qparams(-1, 1, fbgemm activations) is {2/127, 64}.
QParams choose_qparams(float min, float max, const Scheme& scheme);

/// The Grid for one range (granularity tensor). Float formats get no scale.
Grid make_grid(const Scheme& scheme, float min, float max);
/// The Grid for ranges in the order of the parameters of this layout over a tensor of this shape.
Grid make_grid(const Scheme& scheme, const Layout& layout, std::span<const int64_t> shape, std::span<const float> mins,
               std::span<const float> maxs);
/// The Grid of a constant from its own minima and maxima, `axis` counting for channel and block.
/// weight: any shape, f32. Throws Error{numeric} naming the first NaN or infinity.
Grid grid_of_constant(const Tensor& weight, const Scheme& scheme, int axis);

}  // namespace bitwright
