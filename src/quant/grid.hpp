// A Grid says what the codes of one tensor mean: a number format, the part of its codes in use, and the scales and
// zero points with the way they are laid over the tensor. quantize and dequantize are contract item 2 of DESIGN.md;
// simulation, export, training and the engine's constants all come through here (docs/quantization.md Q1-Q6).
#pragma once

#include <span>
#include <vector>

#include "core/tensor.hpp"
#include "quant/format.hpp"

namespace bitwright {

/// Which elements share a scale. tensor: all. channel: those with equal index on `axis`. block: runs of `block_size`
/// along `axis`; parameters then have the tensor's shape with that extent n replaced by ceil(n / block_size), as in
/// ONNX's blocked QuantizeLinear (opset 21). `axis` may be negative: it counts from the end.
struct Layout {
  enum Kind : uint8_t { tensor, channel, block };
  Kind kind = tensor;
  int axis = 0;
  int64_t block_size = 0;
  bool operator==(const Layout&) const = default;
};

struct Grid {
  const Format* format = nullptr;
  int32_t qmin = 0, qmax = 0;  // codes in use, within [format->code_min, format->code_max]; float formats: all
  Layout layout;
  Tensor scale;  // > 0; f32, or f16/bf16 where the file said so; empty: 1
  Tensor zero;   // empty: 0; integer: q = clamp(rne(x/s) + z); float: q = clamp(rne(x/s + z)) (embeddings, HQQ)
  Tensor table;  // f32 [codes]: a learned codebook, the meaning of code_min, code_min + 1, ...; empty: the format's own
};

/// A grid over one whole tensor with all codes of the format.
Grid tensor_grid(const Format& format, float scale, int32_t zero = 0);
/// A grid with one scale (and zero point) per index of `axis`; zeros may be empty: all 0.
Grid channel_grid(const Format& format, int axis, std::span<const float> scales, std::span<const int32_t> zeros = {});
/// A tensor of the format's storage type holding these zero points (i32 where one does not fit: textbook ranges, Q3).
Tensor zero_tensor(const Format& format, Shape shape, std::span<const int32_t> zeros);

/// True when both mean the same numbers by bit-identical parameters: an absent zero point equals zeros, one parameter
/// for the whole tensor may have shape [] or [1].
bool same_grid(const Grid& a, const Grid& b);

/// The shape that scale and zero must have over a tensor of this shape: {} for tensor, {extent} for channel, block above.
Shape parameter_shape(const Layout& layout, std::span<const int64_t> shape);
/// Throws Error{mismatch} when the parameters do not fit the shape, Error{numeric} when a scale is not a positive
/// finite number or a zero point is out of the arithmetic's range.
void verify(const Grid& grid, std::span<const int64_t> shape);

/// Codes of x (f32), in the format's storage type and the shape of x. Throws as verify does, and Error{numeric} with
/// the index of the first NaN. quantize({0.1}, tensor_grid(int8, 1/127)) is {13}.
Tensor quantize(const Tensor& x, const Grid& grid);
/// Values of codes, which may be in the format's storage or file type: f32, or f16 or bf16 where the scale is.
Tensor dequantize(const Tensor& codes, const Grid& grid);
/// The same, computed when it is first read: the integer engine never looks at the values of its weights.
Tensor dequantize_later(Tensor codes, Grid grid);
/// dequantize(quantize(x)) without the detour through memory.
Tensor fake_quantize(const Tensor& x, const Grid& grid);

/// A stretch of elements [begin, begin + count) and its parameters: index `param` for all of them when step is 0,
/// param, param + 1, ... when step is 1.
struct ParamRun {
  int64_t begin, count, param;
  int step;
};

/// The tensor cut into runs in memory order: what a loop over any layout needs.
std::vector<ParamRun> parameter_runs(const Layout& layout, std::span<const int64_t> shape);

}  // namespace bitwright
