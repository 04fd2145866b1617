// Float functions where transformers spend their float time: softmax and normalizations of rows, and the activations that
// need an exponential. One definition for all instruction sets (body.hpp): vectors of 16 floats, additions, multiplications and
// divisions in a fixed order, no fused ones, so every machine gives the same bits.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/isa.hpp"

namespace bitwright {

/// Errors are against the exact function for |x| <= 80; outside, results are the limits.
enum class RowsFunction : uint8_t {
  softmax,     // exp(x - max) / sum, relative error below 1e-6 of the row's largest
  layer_norm,  // (x - mean) / sqrt(variance + epsilon) * scale + bias
  rms_norm,    // x / sqrt(mean(x * x) + epsilon) * scale
  gelu,        // x * Phi(x), absolute error below 1e-6 |x|
  sigmoid,     // 1 / (1 + exp(-x)), relative error below 1e-6
  swish,       // x * sigmoid(x)
  tanh,        // relative error below 1e-6
  add,         // src + add
};

struct RowsArgs {
  const float* src = nullptr;  // [rows, length]
  float* dst = nullptr;        // may be src
  int64_t length = 0;
  int64_t stride = 0;          // from one row to the next, in src, dst and add; 0: length
  const float* add = nullptr;  // the norms and add: what is added to src before, or null
  float* range = nullptr;      // all but softmax: least and greatest result and 0, NaN left out, merged into range[0] and range[1]; or null
  const float* scale = nullptr;  // the norms: [length]
  const float* bias = nullptr;   // layer_norm: [length] or null
  float epsilon = 0;
};

/// Rows [row0, row1).
using RowsKernel = void (*)(const RowsArgs& args, int64_t row0, int64_t row1) noexcept;

struct RowsRow {
  RowsFunction function;
  Isa isa;
  const char* name;
  RowsKernel kernel;
};
const std::vector<RowsRow>& rows_kernels();
/// The best that may run; there is always one.
const RowsRow& select_rows(RowsFunction function, Isa cap = isa_cap());

#define BW_ROWS(function, isa) void function##_f32_##isa(const RowsArgs& args, int64_t row0, int64_t row1) noexcept;
#include "kernels/rows/kernels.inc"
#undef BW_ROWS

}  // namespace bitwright
