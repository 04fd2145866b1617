#include "kernels/conv/conv.hpp"

#include "kernels/alternatives.hpp"
#include "kernels/conv/dense.hpp"
#include "kernels/conv/depthwise.hpp"
#include "kernels/conv/transposed.hpp"
#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

#define BW_CONV_REF(isa, name)
#define BW_CONV_DENSE(isa, name, dot) \
  void name(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { conv_dense(args, dot, row0, row1); }
#define BW_CONV_DEPTHWISE(isa, name, taps) \
  void name(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { conv_depthwise(args, taps, row0, row1); }
#define BW_CONV_DEPTHWISE_LINES(isa, name, lines) \
  void name(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { conv_depthwise_lines(args, lines, row0, row1); }
#define BW_CONV_TRANSPOSED(isa, name, dot) \
  void name(const ConvArgs& args, int64_t row0, int64_t row1) noexcept { conv_transposed(args, dot, row0, row1); }
#include "kernels/conv/kernels.inc"
#undef BW_CONV_TRANSPOSED
#undef BW_CONV_DEPTHWISE_LINES
#undef BW_CONV_DEPTHWISE
#undef BW_CONV_DENSE
#undef BW_CONV_REF

const char* packing_refuses(ConvPacking packing, const ConvProblem& p) {
  const bool depthwise = conv_is_depthwise(p.shape);
  if (p.transposed != (packing == ConvPacking::transposed))
    return p.transposed ? "the convolution is transposed" : "the convolution is not transposed";
  if ((packing == ConvPacking::depthwise || packing == ConvPacking::depthwise_lines) && !depthwise)
    return "the convolution is not depthwise";
  if (packing == ConvPacking::depthwise_lines && !conv_has_depthwise_lines(p.shape)) return "the kernel is not 3x3, 5x5 or 7x7, or too far dilated";
  if (packing == ConvPacking::dense && depthwise) return "the convolution is depthwise";
  if ((packing == ConvPacking::dense || packing == ConvPacking::transposed) && p.shape.groups > 1 && p.shape.oc / p.shape.groups < 4)
    return "fewer than 4 channels per group";
  return dot_refuses(p.src_type, p.weight_type, p.out_type, p.weight_zero, p.fits_int32);
}

PackedWeights pack_depthwise(const ConvShape& s, const int8_t* weights, const int32_t* bias, SrcCodes src) {
  std::vector<int32_t> taps = depthwise_taps(s.kh, s.kw);
  const auto k = static_cast<int64_t>(taps.size());
  std::vector<int8_t> ordered(static_cast<size_t>(s.oc * k));
  for (size_t i = 0; i < ordered.size(); ++i) {
    const int32_t tap = taps[i % taps.size()];
    ordered[i] = tap < 0 ? int8_t{0} : weights[static_cast<int64_t>(i) / k * s.kh * s.kw + tap];
  }
  PackedWeights packed = pack_weights(1, s.oc, 1, k, {ordered.data(), k, 0, 1}, bias, src);
  packed.taps = std::move(taps);
  return packed;
}

const char* refuses(const ConvRow& row, const ConvProblem& p, Isa cap) {
  if (const char* why = isa_refuses(row.isa, cap)) return why;
  if (row.packing != ConvPacking::none) return packing_refuses(row.packing, p);
  if (row.kernel == conv_ref && p.transposed) return "the convolution is transposed";
  return nullptr;
}

}  // namespace

PackedWeights pack_conv(const ConvShape& s, const int8_t* weights, const int32_t* bias, SrcCodes src, bool transposed) {
  if (transposed) return pack_transposed(s, weights, bias, src);
  const int64_t line = s.kw * (s.c / s.groups), filter = s.kh * line;
  if (conv_is_depthwise(s)) return pack_depthwise(s, weights, bias, src);
  const bool direct = conv_is_direct(s);
  return pack_weights(s.groups, s.oc, direct ? s.kh : 1, direct ? line : filter, {weights, filter, line, 1}, bias, src);
}

const std::vector<ConvRow>& conv_kernels() {
#define BW_CONV_REF(isa, name) {#name, Isa::isa, ConvPacking::none, name},
#define BW_CONV_DENSE(isa, name, dot) {#name, Isa::isa, ConvPacking::dense, name},
#define BW_CONV_DEPTHWISE(isa, name, taps) {#name, Isa::isa, ConvPacking::depthwise, name},
#define BW_CONV_DEPTHWISE_LINES(isa, name, lines) {#name, Isa::isa, ConvPacking::depthwise_lines, name},
#define BW_CONV_TRANSPOSED(isa, name, dot) {#name, Isa::isa, ConvPacking::transposed, name},
  static const std::vector<ConvRow> rows = {
#include "kernels/conv/kernels.inc"
  };
#undef BW_CONV_TRANSPOSED
#undef BW_CONV_DEPTHWISE_LINES
#undef BW_CONV_DEPTHWISE
#undef BW_CONV_DENSE
#undef BW_CONV_REF
  return rows;
}

ConvChoice select_conv(const ConvProblem& problem, Isa cap, std::string_view wanted) {
  ConvChoice choice;
  choice.row = select_row(conv_kernels(), wanted, choice.refused, choice.others, [&](const ConvRow& row) { return refuses(row, problem, cap); });
  return choice;
}

}  // namespace bitwright
