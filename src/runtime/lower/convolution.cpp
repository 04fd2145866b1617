// Convolution on codes, channels last. Dense, grouped and depthwise come from one kernel table; transposed has its own
// reference.
#include "kernels/conv/conv.hpp"
#include "ops/window.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// What the kernels take: 1-D becomes 2-D with a height of 1.
ConvShape conv_shape(const Node& node, const Tensor& x, const Tensor& w, const Tensor& y, bool transposed) {
  const OpContext context(node, {}, true);
  const Shape kernel(w.shape().begin() + 2, w.shape().end());
  const Window v = transposed ? read_transposed_window(context, x.shape(), kernel) : read_window(context, x.shape(), kernel);
  return {.n = x.dim(0), .h = v.in[1], .w = v.in[2], .c = x.dim(1), .oh = v.out[1], .ow = v.out[2], .oc = y.dim(1),
          .kh = v.kernel[1], .kw = v.kernel[2], .groups = node.attr_int("group", 1), .stride_h = v.stride[1],
          .stride_w = v.stride[2], .dilation_h = v.dilation[1], .dilation_w = v.dilation[2], .pad_top = v.pad[1],
          .pad_left = v.pad[2]};
}

/// ONNX [oc, c/groups, kh, kw] (transposed: [c, oc/groups, kh, kw]) -> [oc, kh, kw, c/groups].
template <class T>
Tensor channels_last_weights(const Tensor& w, const ConvShape& s, bool transposed) {
  const int64_t inner = s.c / s.groups, outer = s.oc / s.groups, taps = s.kh * s.kw;
  Tensor result(w.dtype(), {s.oc, s.kh, s.kw, inner});
  const T* from = w.values<T>().data();
  T* to = result.values<T>().data();
  for (int64_t o = 0; o < s.oc; ++o)
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t i = 0; i < inner; ++i) {
        const int64_t group = o / outer;
        const int64_t at = transposed ? ((group * inner + i) * outer + o % outer) * taps + t : (o * inner + i) * taps + t;
        to[(o * taps + t) * inner + i] = from[at];
      }
  return result;
}

class ConvStep : public Step {
 public:
  ConvShape shape;
  EngineGrid src;
  Tensor weights;  // for the references
  std::vector<int32_t> weight_zero, bias;
  bool wide = false;
  PackedWeights packed;  // for the others
  Leaving leaving;
  ConvKernel kernel = nullptr;
  int64_t grain = 1;

  void run(StepContext& context) const override {
    ConvArgs args;
    args.shape = shape;
    args.src = context.at(reads[0]).raw();
    args.src_type = src.type;
    args.src_zero = src.zero;
    args.weights = weights.raw();
    args.weight_type = weights.dtype();
    args.weight_zero = weight_zero.empty() ? nullptr : weight_zero.data();
    args.bias = bias.empty() ? nullptr : bias.data();
    args.wide = wide;
    args.packed = packed.panels.empty() ? nullptr : &packed;
    args.out = leaving.output(context.at(writes[0]).raw(), shape.oc);
    context.rows(shape.rows(), grain, [&](int64_t begin, int64_t end, std::byte* scratch) {
      ConvArgs mine = args;
      mine.scratch = scratch;
      kernel(mine, begin, end);
    });
  }
};

Reason lower(Lowering& lowering, const Node& node, bool transposed) {
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const int axis = transposed ? 1 : 0;
  const auto read = read_linear(lowering, node, 1, 2, axis, y.dim(1));
  if (const auto* reason = std::get_if<std::string>(&read)) return *reason;
  Linear linear = std::get<Linear>(read);
  if (transposed && node.attr_int("group", 1) > 1 && w.dim(1) != y.dim(1) &&
      lowering.input_entry(node, 1)->chain[0].layout.kind == Layout::channel)
    return "scales per channel of a grouped transposed convolution";
  if (x.rank() > 4) return str("a convolution over ", x.rank() - 2, " dimensions has no integer kernel");
  const ConvShape s = conv_shape(node, x, w, y, transposed);

  auto step = std::make_unique<ConvStep>();
  step->shape = s;
  step->src = linear.src;
  Tensor last = linear.weights.dtype() == DType::i8 ? channels_last_weights<int8_t>(linear.weights, s, transposed)
                                                     : channels_last_weights<int16_t>(linear.weights, s, transposed);
  const Tensor original = linear.weights;
  linear.weights = last;
  const int64_t k = s.kh * s.kw * (s.c / s.groups);
  const std::vector<Reach> reach = reach_of(linear, k, k, 1);
  if (lowering.simulated() && !transposed) {
    Linear plain = linear;
    plain.weights = original;
    if (!lower_simulated(lowering, node, plain, 1, 2, axis, x.rank() - 1, reach)) return {};
  }
  const bool fits = fits_int32(reach);
  const ConvProblem problem{.shape = s, .src_type = linear.src.type, .weight_type = linear.weights.dtype(),
                            .out_type = linear.dst ? linear.dst->type : DType::f32,
                            .weight_zero = linear.has_weight_zero, .transposed = transposed, .fits_int32 = fits};
  const ConvChoice choice = select_conv(problem, lowering.simulated() ? Isa::ref : lowering.options().isa);
  std::vector<std::string>& notes = step->info.notes;
  for (const Refusal& refusal : choice.refused) notes.push_back(str(refusal.kernel, ": ", refusal.reason));
  step->kernel = choice.row->kernel;
  const int32_t* bias = linear.bias.empty() ? nullptr : linear.bias.data();
  if (choice.row->packing == ConvPacking::none) {
    step->weights = linear.weights;
    step->bias = linear.bias;
    if (linear.has_weight_zero) step->weight_zero = linear.weight_zero;
    step->wide = !fits;
  } else {
    const int8_t* data = linear.weights.values<int8_t>().data();
    step->packed = pack_conv(s, data, bias, linear.src_codes());
    step->scratch_bytes = conv_scratch_bytes(s);
  }
  step->constant_bytes = static_cast<int64_t>(step->weights.bytes() + step->packed.bytes.bytes());
  step->leaving = make_leaving(linear, lowering.table().profile, reach, notes);
  constexpr int64_t kChunkMacs = 1 << 18;
  step->grain = std::max<int64_t>(1, kChunkMacs / std::max<int64_t>(1, k * s.oc));
  step->info.node = node.id;
  step->info.name = display_name(node) + linear.tail.names;
  step->info.kernel = choice.row->name;
  step->info.integer = true;
  step->info.macs = s.rows() * s.oc * k;
  if (transposed) step->info.macs = s.n * s.h * s.w * s.oc * k;
  step->info.bytes = x.elements() + y.elements() + linear.weights.elements();
  step->reads = {lowering.codes(node, 0, Order::channels_last)};
  const BufferId out = lowering.make(step->leaving.type, channels_last_shape(y.shape()));
  step->writes = {out};
  lowering.add(std::move(step));
  define_linear(lowering, node, linear, out, Order::channels_last);
  return {};
}

Reason lower_conv(Lowering& lowering, const Node& node) { return lower(lowering, node, false); }
Reason lower_conv_transpose(Lowering& lowering, const Node& node) { return lower(lowering, node, true); }

const LoweringRule kRules[] = {{"Conv", lower_conv}, {"ConvTranspose", lower_conv_transpose}};

}  // namespace

std::span<const LoweringRule> lowerings_convolution() { return kRules; }

}  // namespace bitwright
