#include "kernels/conv/conv.hpp"

#include "kernels/conv/dense.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

#define BW_CONV_REF(isa, name)
#define BW_CONV_DENSE(isa, name, dot) \
  void name(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { conv_dense(args, dot, row0, row1); }
#include "kernels/conv/kernels.inc"
#undef BW_CONV_DENSE
#undef BW_CONV_REF

const char* dense_refuses(const ConvProblem& p) {
  if (p.transposed) return "the convolution is transposed";
  return dot_refuses(p.src_type, p.weight_type, p.out_type, p.weight_zero, p.fits_int32);
}

const char* refuses(const ConvRow& row, const ConvProblem& p, Isa cap) {
  if (const char* why = isa_refuses(row.isa, cap)) return why;
  if (row.packing == ConvPacking::dense) return dense_refuses(p);
  if (row.kernel == conv_ref && p.transposed) return "the convolution is transposed";
  return nullptr;
}

}  // namespace

PackedWeights pack_conv(const ConvShape& s, const int8_t* weights, const int32_t* bias, SrcCodes src) {
  const int64_t line = s.kw * (s.c / s.groups), filter = s.kh * line;
  const bool direct = conv_is_direct(s);
  return pack_weights(s.groups, s.oc, direct ? s.kh : 1, direct ? line : filter, {weights, filter, line, 1}, bias, src);
}

const std::vector<ConvRow>& conv_kernels() {
#define BW_CONV_REF(isa, name) {#name, Isa::isa, ConvPacking::none, name},
#define BW_CONV_DENSE(isa, name, dot) {#name, Isa::isa, ConvPacking::dense, name},
  static const std::vector<ConvRow> rows = {
#include "kernels/conv/kernels.inc"
  };
#undef BW_CONV_DENSE
#undef BW_CONV_REF
  return rows;
}

ConvChoice select_conv(const ConvProblem& problem, Isa cap) {
  ConvChoice choice;
  for (const ConvRow& row : conv_kernels()) {
    const char* why = refuses(row, problem, cap);
    if (why == nullptr) {
      choice.row = &row;
      break;
    }
    choice.refused.push_back({row.name, why});
  }
  return choice;
}

}  // namespace bitwright
