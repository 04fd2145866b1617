// Convolution on codes: acc[p][o] = sum over the taps (src - src_zero) * (weight - weight_zero[o]) + bias[o], exactly,
// then the form that Output asks for. Taps outside the image contribute nothing (the padding value is the zero point).
// A 1-D convolution has h = kh = 1. A kernel computes the output pixels [row0, row1) of all n * oh * ow; who computes
// which rows never changes a result.
#pragma once

#include <cstdint>
#include <vector>

#include "core/dtype.hpp"
#include "kernels/dot/pack.hpp"
#include "kernels/isa.hpp"
#include "kernels/requantize/output.hpp"

namespace bitwright {

struct ConvShape {
  int64_t n = 1, h = 1, w = 1, c = 1;  // src [n, h, w, c]
  int64_t oh = 1, ow = 1, oc = 1;      // dst [n, oh, ow, oc]
  int64_t kh = 1, kw = 1, groups = 1;  // weights [oc, kh, kw, c / groups]
  int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;  // what lies below and to the right follows from oh, ow

  int64_t rows() const { return n * oh * ow; }
};

struct ConvArgs {
  ConvShape shape;
  const void* src = nullptr;   // codes, NHWC
  DType src_type = DType::u8;  // fast kernels: u8; reference: also i8, u16, i16
  int32_t src_zero = 0;
  const void* weights = nullptr;         // [oc, kh, kw, c / groups]; the references read it
  DType weight_type = DType::i8;         // i8, u8, i16
  const int32_t* weight_zero = nullptr;  // [oc] or null: all 0
  const int32_t* bias = nullptr;         // [oc] or null
  bool wide = false;                     // the reference accumulates in int64 (else int32, which must be proved to fit)
  const PackedWeights* packed = nullptr;  // the fast kernels read it instead of the four above,
  PanelRange panels;                      // and of it these panels
  Output out;
  void* scratch = nullptr;  // conv_scratch_bytes() of the caller's own; 64-byte aligned
};

using ConvKernel = void (*)(const ConvArgs& args, int64_t row0, int64_t row1) noexcept;

/// The definition: plain loops over unpacked weights.
void conv_ref(const ConvArgs& args, int64_t row0, int64_t row1) noexcept;
/// The transposed convolution (ONNX ConvTranspose, group by group): src pixel (i, j) adds its product with weight tap
/// (y, x) to dst pixel (i * stride_h + y * dilation_h - pad_top, ...). Weights [oc, kh, kw, c / groups] here too.
void conv_transpose_ref(const ConvArgs& args, int64_t row0, int64_t row1) noexcept;

/// Weights i8 [oc, kh, kw, c / groups] for the fast kernels, dense, (groups == c == oc) depthwise or transposed; see pack.hpp.
PackedWeights pack_conv(const ConvShape& shape, const int8_t* weights, const int32_t* bias, SrcCodes src, bool transposed = false);
/// Bytes that ConvArgs::scratch needs, per thread; 0 for the references.
int64_t conv_scratch_bytes(const ConvShape& shape);

/// depthwise_lines: packed as depthwise, for fewer shapes (depthwise.hpp).
enum class ConvPacking : uint8_t { none, dense, depthwise, depthwise_lines, transposed };

/// A row of kernels.inc.
struct ConvRow {
  const char* name;
  Isa isa;
  ConvPacking packing;  // what ConvArgs::packed must come from
  ConvKernel kernel;
};
const std::vector<ConvRow>& conv_kernels();

struct ConvProblem {
  ConvShape shape;
  DType src_type = DType::u8, weight_type = DType::i8, out_type = DType::u8;
  bool weight_zero = false;  // some weight zero point is not 0
  bool transposed = false;
  bool fits_int32 = true;  // of the final sums: PackedWeights::fits_int32
};

/// `row` is never null: the reference takes everything. `refused` says why each better kernel was not taken, `others` which
/// ones could have been.
struct ConvChoice {
  const ConvRow* row = nullptr;
  std::vector<Refusal> refused;
  std::vector<std::string> others;
};
/// `wanted`: the name of the row to take where it may run.
ConvChoice select_conv(const ConvProblem& problem, Isa cap = isa_cap(), std::string_view wanted = {});

}  // namespace bitwright
