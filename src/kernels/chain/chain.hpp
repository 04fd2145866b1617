// A float matrix product whose rounding is prescribed: each element is a chain of fused multiply-adds over rising k,
// cut into blocks whose sums are then added in order. That is what ONNX Runtime's float convolutions compute on every
// x86 processor with FMA, and since a chain fixes every rounding, all our instruction sets give its bits. (oneDNN is
// faster and promises no order; it is for networks whose float steps nobody compares bit for bit.)
#pragma once

#include <cstdint>

#include "kernels/isa.hpp"

namespace bitwright {

/// dst[i][j] = fl(... fl(s_0 + s_1) ... + s_last), + bias[i] if there is one; s_b is block b's chain
/// fma(a[i][k], b[k][j], ... fma(a[i][k0], b[k0][j], 0)) over `block` values of k.
struct ChainArgs {
  int64_t m = 0, n = 0, k = 0;
  int64_t block = 1;         // >= 1
  const float* a = nullptr;  // [m, k]
  const float* b = nullptr;  // [k, n], rows b_stride apart
  int64_t b_stride = 0;
  const float* bias = nullptr;  // [m] or null
  float* dst = nullptr;         // [m, n], rows dst_stride apart
  int64_t dst_stride = 0;
};
using ChainKernel = void (*)(const ChainArgs& args) noexcept;

struct ChainRow {
  Isa isa;
  const char* name;
  ChainKernel kernel;
};
/// The best that may run; the last, `chain_ref`, always may.
const ChainRow& select_chain(Isa cap = isa_cap());

/// The block of ONNX Runtime for a product of [m, k] by [k, columns] computed by one thread: 128, and where the columns
/// are few or k is small, more columns are traded for less k or the other way round.
int64_t onnxruntime_block(int64_t columns, int64_t k) noexcept;

void chain_ref(const ChainArgs& args) noexcept;
#if defined(__x86_64__)
void chain_avx2(const ChainArgs& args) noexcept;
#endif

}  // namespace bitwright
