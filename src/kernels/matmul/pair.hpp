// Matrix product of two activations (attention: queries times keys, probabilities times values):
// acc[m][n] = sum over k (a[m][k] - a_zero) * (b[k][n] - b_zero), exactly, then the form that Output asks for. Unlike
// matmul.hpp, b comes anew with every run, so the fast kernels pack it themselves, once per call: a call is one product
// of a batch.
#pragma once

#include "kernels/matmul/matmul.hpp"

namespace bitwright {

struct PairArgs {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;  // [m, k] codes
  const void* b = nullptr;  // [k, n] codes
  DType a_type = DType::u8, b_type = DType::u8;  // fast kernels: u8; reference: also u16, i16
  int32_t a_zero = 0, b_zero = 0;
  bool wide = false;  // the reference accumulates in int64
  Output out;
  void* scratch = nullptr;  // pair_scratch_bytes(n, k) of the caller's own; 64-byte aligned
};

using PairKernel = void (*)(const PairArgs& args) noexcept;

/// The definition: plain loops.
void pair_ref(const PairArgs& args) noexcept;
int64_t pair_scratch_bytes(int64_t n, int64_t k);

struct PairRow {
  const char* name;
  Isa isa;
  bool packs;  // u8 times u8 only
  PairKernel kernel;
};
/// One per row of kernels.inc.
const std::vector<PairRow>& pair_kernels();

struct PairProblem {
  DType a_type = DType::u8, b_type = DType::u8, out_type = DType::u8;
  bool fits_int32 = true;
};
struct PairChoice {
  const PairRow* row = nullptr;  // never null
  std::vector<Refusal> refused;
};
PairChoice select_pair(const PairProblem& problem, Isa cap = isa_cap());

}  // namespace bitwright
