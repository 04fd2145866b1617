#include "kernels/matmul/matmul.hpp"

#include <algorithm>

#include "kernels/alternatives.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

// Rows whose codes stay in the first-level cache while all panels pass over them; a multiple of every tile height.
constexpr int64_t kWidest = 64;

/// What the kernels may take from each column instead of from each row: one zero point and one scale for all rows.
struct Folded {
  int32_t offset[kWidest];
  float scale[kWidest];

  void fold(DotArgs& d, const MatMulArgs& args, int32_t zero) {
    const Dequantize& out = args.out.dequantize;
    if (zero != 0) {
      for (int32_t c = 0; c < d.width; ++c)  // modulo 2^32, as the kernels add
        offset[c] = static_cast<int32_t>(static_cast<uint32_t>(d.offset[c]) - static_cast<uint32_t>(zero) * static_cast<uint32_t>(d.sum[c]));
      d.offset = offset;
    }
    if (d.form != DotForm::f32 || !out.row_scale || out.row_stride != 0) return;
    for (int32_t c = 0; c < d.columns; ++c) scale[c] = out.row_scale[0] * d.scale[c];
    d.scale = scale;
    d.row_scale = nullptr;
  }
};

/// `again`: there are more blocks of rows.
void run_rows(const MatMulArgs& args, DotKernel dot, int64_t row0, int64_t rows, bool again) {
  const uint8_t* pointers[kMostBlockRows];
  int32_t zeros[kMostBlockRows];
  const PackedWeights& packed = *args.packed;
  DotArgs d = dot_args(packed, args.out);
  for (int64_t r = 0; r < rows; ++r) pointers[r] = static_cast<const uint8_t*>(args.a) + (row0 + r) * args.a_stride;
  d.a = pointers;
  d.rows = rows;
  if (args.row_zero) {
    for (int64_t r = 0; r < rows; ++r) zeros[r] = args.row_zero[row0 + r] - packed.src_zero;
    d.zero = zeros;
    d.zero_stride = 1;
  }
  Folded folded;
  for (size_t i = 0; i < args.panels.of(packed).size(); ++i) {
    set_panel(d, packed, args.panels, i, again, args.out, row0);
    folded.fold(d, args, args.row_zero ? 0 : args.a_zero - packed.src_zero);
    dot(d);
  }
}

#define BW_MATMUL_REF(isa, name)
#define BW_MATMUL(isa, name, dot) \
  void name(const MatMulArgs& args, int64_t row0, int64_t row1) noexcept { matmul_packed(args, dot, row0, row1); }
#include "kernels/matmul/kernels.inc"
#undef BW_MATMUL
#undef BW_MATMUL_REF

}  // namespace

void matmul_packed(const MatMulArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept {
  for (int64_t row = row0, rows = 0; row < row1; row += rows) {
    rows = rows_of_block(row1 - row);
    run_rows(args, dot, row, rows, row + rows < row1);
  }
}

PackedWeights pack_matmul(int64_t k, int64_t n, const int8_t* b, int64_t k_stride, int64_t n_stride,
                          const int32_t* bias, SrcCodes src) {
  return pack_weights(1, n, 1, k, {b, n_stride, 0, k_stride}, bias, src);
}

const std::vector<MatMulRow>& matmul_kernels() {
#define BW_MATMUL_REF(isa, name) {#name, Isa::isa, false, name},
#define BW_MATMUL(isa, name, dot) {#name, Isa::isa, true, name},
  static const std::vector<MatMulRow> rows = {
#include "kernels/matmul/kernels.inc"
  };
#undef BW_MATMUL
#undef BW_MATMUL_REF
  return rows;
}

MatMulChoice select_matmul(const MatMulProblem& problem, Isa cap, std::string_view wanted) {
  MatMulChoice choice;
  const char* types = dot_refuses(problem.a_type, problem.b_type, problem.out_type, problem.b_zero, problem.fits_int32);
  choice.row = select_row(matmul_kernels(), wanted, choice.refused, choice.others, [&](const MatMulRow& row) {
    const char* why = isa_refuses(row.isa, cap);
    return why == nullptr && row.packed ? types : why;
  });
  return choice;
}

}  // namespace bitwright
