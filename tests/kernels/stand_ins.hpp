// The tables' rows, and the stand-ins beside them.
#pragma once

#include "kernels/conv/conv.hpp"
#include "kernels/conv/dense.hpp"
#include "kernels/conv/transposed.hpp"
#include "kernels/matmul/matmul.hpp"
#include "stand_in_kernels.hpp"

namespace bitwright {

template <DotKernel kernel>
void matmul_stand_in(const MatMulArgs& args, int64_t row0, int64_t row1) noexcept {
  matmul_packed(args, kernel, row0, row1);
}
template <DotKernel kernel>
void conv_stand_in(const ConvArgs& args, int64_t row0, int64_t row1) noexcept {
  conv_dense(args, kernel, row0, row1);
}

template <DotKernel kernel>
void transposed_stand_in(const ConvArgs& args, int64_t row0, int64_t row1) noexcept {
  conv_transposed(args, kernel, row0, row1);
}

inline std::vector<MatMulRow> matmul_rows() {
  std::vector<MatMulRow> rows = matmul_kernels();
#if defined(__x86_64__)
  rows.push_back({"like avxvnni", Isa::avx512, true, matmul_stand_in<dot_like_avxvnni>});
  rows.push_back({"emulated amx", Isa::avx512, true, matmul_stand_in<dot_on_emulated_tiles>});
#endif
  return rows;
}

inline std::vector<ConvRow> conv_rows() {
  std::vector<ConvRow> rows = conv_kernels();
#if defined(__x86_64__)
  rows.push_back({"like avxvnni", Isa::avx512, ConvPacking::dense, conv_stand_in<dot_like_avxvnni>});
  rows.push_back({"lines like avxvnni", Isa::avx512, ConvPacking::depthwise_lines,
                  [](const ConvArgs& args, int64_t row0, int64_t row1) noexcept {
                    conv_depthwise_lines(args, lines_like_avxvnni, row0, row1);
                  }});
  rows.push_back({"emulated amx", Isa::avx512, ConvPacking::dense, conv_stand_in<dot_on_emulated_tiles>});
  rows.push_back({"transposed on emulated amx", Isa::avx512, ConvPacking::transposed, transposed_stand_in<dot_on_emulated_tiles>});
#endif
  return rows;
}

}  // namespace bitwright
