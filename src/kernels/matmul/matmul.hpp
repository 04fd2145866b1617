// Matrix product of codes: acc[m][n] = sum over k (a[m][k] - a_zero) * (b[k][n] - b_zero[n]) + bias[n], exactly, then
// the form that Output asks for. Covers MatMulInteger, QLinearMatMul, quantized Gemm and the dynamic forms
// (Output::dequantize). A kernel computes the rows [row0, row1); batches are the caller's loop.
#pragma once

#include <cstdint>
#include <vector>

#include "core/dtype.hpp"
#include "kernels/dot/dot.hpp"
#include "kernels/dot/pack.hpp"
#include "kernels/isa.hpp"
#include "kernels/requantize/output.hpp"

namespace bitwright {

struct MatMulArgs {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;   // [m, k] codes
  int64_t a_stride = 0;      // elements between rows of a
  DType a_type = DType::u8;  // fast kernels: u8; reference: also i8, u16, i16
  int32_t a_zero = 0;
  const int32_t* row_zero = nullptr;      // [m]: a zero point per row instead of a_zero
  const void* b = nullptr;                // [k, n] row-major; the reference reads it
  DType b_type = DType::i8;               // i8, u8, i16
  const int32_t* b_zero = nullptr;        // [n] or null: all 0
  const int32_t* bias = nullptr;          // [n] or null
  bool wide = false;                      // the reference accumulates in int64
  const PackedWeights* packed = nullptr;  // the fast kernels read it instead of b, b_zero and bias,
  PanelRange panels;                      // and of it these panels
  Output out;
};

using MatMulKernel = void (*)(const MatMulArgs& args, int64_t row0, int64_t row1) noexcept;

/// The definition: plain loops over the unpacked b.
void matmul_ref(const MatMulArgs& args, int64_t row0, int64_t row1) noexcept;

/// The packed kernel that `dot` makes.
void matmul_packed(const MatMulArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept;

/// b: i8, element (k, n) at b[k * k_stride + n * n_stride], so that a transposed weight needs no copy.
PackedWeights pack_matmul(int64_t k, int64_t n, const int8_t* b, int64_t k_stride, int64_t n_stride,
                          const int32_t* bias, SrcCodes src);

struct MatMulRow {
  const char* name;
  Isa isa;
  bool packed;  // reads MatMulArgs::packed, else b
  MatMulKernel kernel;
};
const std::vector<MatMulRow>& matmul_kernels();

struct MatMulProblem {
  DType a_type = DType::u8, b_type = DType::i8, out_type = DType::u8;
  bool b_zero = false;     // some zero point of b is not 0
  bool fits_int32 = true;  // PackedWeights::fits_int32
};

struct MatMulChoice {
  const MatMulRow* row = nullptr;  // never null
  std::vector<Refusal> refused;
  std::vector<std::string> others;  // what else could run
};
/// `wanted`: the name of the row to take where it may run.
MatMulChoice select_matmul(const MatMulProblem& problem, Isa cap = isa_cap(), std::string_view wanted = {});

}  // namespace bitwright
