#include "runtime/convolution.hpp"

#include "core/spill.hpp"
#include "ops/window.hpp"

namespace bitwright {

ConvGeometry conv_geometry(const Node& node, const Tensor& x, const Tensor& w, const Tensor& y, bool transposed) {
  if (x.rank() > 4) return {{}, str("a convolution over ", x.rank() - 2, " dimensions has no integer kernel")};
  const OpContext context(node, {}, true);
  const Shape kernel(w.shape().begin() + 2, w.shape().end());
  const Window v = transposed ? read_transposed_window(context, x.shape(), kernel) : read_window(context, x.shape(), kernel);
  return {{.n = x.dim(0), .h = v.in[1], .w = v.in[2], .c = x.dim(1), .oh = v.out[1], .ow = v.out[2], .oc = y.dim(1),
          .kh = v.kernel[1], .kw = v.kernel[2], .groups = node.attr_int("group", 1), .stride_h = v.stride[1],
          .stride_w = v.stride[2], .dilation_h = v.dilation[1], .dilation_w = v.dilation[2], .pad_top = v.pad[1],
          .pad_left = v.pad[2]}, {}};
}

std::string conv_problem(const ConvShape& s, bool transposed, DType out_type) {
  return str(transposed ? "transposed " : "", "convolution ", s.n, "x", s.h, "x", s.w, "x", s.c, " -> ", s.oh, "x", s.ow, "x", s.oc, ", kernel ",
             s.kh, "x", s.kw, ", stride ", s.stride_h, "x", s.stride_w, ", dilation ", s.dilation_h, "x", s.dilation_w, ", groups ", s.groups,
             " to ", name_of(out_type));
}

Tensor conv_weights_last(const Tensor& w, const ConvShape& s, bool transposed) {
  const int64_t inner = s.c / s.groups, outer = s.oc / s.groups, taps = s.kh * s.kw;
  if (!transposed && (taps == 1 || inner == 1)) return w.reshaped({s.oc, s.kh, s.kw, inner});
  Tensor result(w.dtype(), {s.oc, s.kh, s.kw, inner});
  auto permute = [&]<class T>(const T* from, T* to) {
    for (int64_t o = 0; o < s.oc; ++o) {
      const int64_t group = o / outer, column = o % outer;
      const T* filter = transposed ? from + (group * inner * outer + column) * taps : from + o * inner * taps;
      const int64_t stride = transposed ? outer * taps : taps;  // from one input channel to the next
      for (int64_t t = 0; t < taps; ++t)
        for (int64_t i = 0; i < inner; ++i) *to++ = filter[i * stride + t];
    }
  };
  if (w.dtype() == DType::i8) {
    permute(w.values<int8_t>().data(), result.values<int8_t>().data());
  } else {
    permute(w.values<int16_t>().data(), result.values<int16_t>().data());
  }
  return result;
}

ConvWeights::ConvWeights(const Linear& linear, const ConvShape& s, bool transposed, SrcCodes src, DType out_type, const KernelWish& wish) {
  const Tensor codes = conv_weights_last(linear.weights, s, transposed);
  const int64_t k = s.kh * s.kw * (s.c / s.groups);
  reach_ = reach_of({codes, 0, 1, k, linear.weight_zero, linear.bias}, k, s.oc, src);
  const ConvChoice choice = select_conv(
      {.shape = s, .src_type = linear.src.type, .weight_type = codes.dtype(), .out_type = out_type,
       .weight_zero = linear.has_weight_zero, .transposed = transposed, .fits_int32 = fits_int32(reach_)}, wish.isa, wish.name);
  row_ = choice.row;
  refused_ = lines(choice.refused);
  others_ = choice.others;
  if (row_->packing != ConvPacking::none) {
    packed_ = pack_conv(s, codes.values<int8_t>().data(), linear.bias.empty() ? nullptr : linear.bias.data(), src, transposed);
    packed_.reach = std::vector<Reach>();
    forget_pages(linear.weights);
    return;
  }
  codes_ = codes;
  bias_ = linear.bias;
  if (linear.has_weight_zero) zero_ = linear.weight_zero;
  wide_ = !fits_int32(reach_);
}

/// Lines of a depthwise product see each other's sources: more of them at once.
int64_t ConvWeights::rows_together(const ConvShape& s) const {
  if (row_->packing != ConvPacking::depthwise_lines) return Followers::rows_together(s.oc);
  return s.ow * std::max<int64_t>(8, (1 << 17) / (s.ow * s.oc));
}

ProductSize ConvWeights::size_of(const ConvShape& s) const {
  const int64_t weights = s.oc * s.kh * s.kw * (s.c / s.groups);
  ProductSize size{s.rows(), 1, s.rows() * weights, weights, s.n * s.h * s.w * s.c};
  if (row_->packing != ConvPacking::none) set_panels(size, packed_);
  if (s.groups == 1 || s.groups != s.c) return size;
  constexpr int64_t kFewLines = 16;
  size.work *= 8;  // each column has one channel to load
  // Neighbouring lines see the same sources, and no two channels do: where lines are few, threads share them unevenly.
  size.unit = s.ow;
  if (s.n * s.oh < kFewLines) size.source_bytes = 0;
  return size;
}

void ConvWeights::run(StepContext& context, const ConvShape& s, ConvArgs args, const Followers& followers) const {
  args.shape = s;
  args.weights = codes_.raw();
  args.weight_type = codes_.dtype();
  args.weight_zero = zero_.empty() ? nullptr : zero_.data();
  args.bias = bias_.empty() ? nullptr : bias_.data();
  args.wide = wide_;
  args.packed = row_->packing == ConvPacking::none ? nullptr : &packed_;
  context.pieces(size_of(s), [&](const Piece& piece, std::byte* scratch) {
    ConvArgs mine = args;
    mine.scratch = scratch;
    mine.panels = {piece.panel0, piece.panel1};
    const ColumnRange columns = args.packed ? columns_of(packed_, mine.panels) : ColumnRange{0, s.oc};
    followers.along(context, args.out, s.oc, piece, columns, rows_together(s), [&](int64_t row0, int64_t row1) {
      row_->kernel(mine, row0, row1);
    });
  });
}

void describe_convolution(const Node& node, const ConvShape& s, const ConvWeights& weights, Step& step) {
  const int64_t k = s.kh * s.kw * (s.c / s.groups);
  step.scratch_bytes = weights.scratch_bytes(s);
  step.constant_bytes = weights.bytes();
  step.info.notes = weights.refused();
  step.info.node = node.id;
  step.info.name = display_name(node);
  step.info.kernel = weights.row().name;
  step.info.integer = true;
  step.info.others = weights.others();
  step.info.macs = (node.is("ConvTranspose") ? s.n * s.h * s.w : s.rows()) * s.oc * k;
}

}  // namespace bitwright
