// Convolution on codes, channels last. Dense, grouped and depthwise come from one kernel table; transposed has its own
// reference.
#include "runtime/convolution.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// What all plans that choose this kernel share.
struct ConvWeights {
  Tensor codes;  // [oc, kh, kw, c / groups], for the references
  std::vector<int32_t> zero, bias;
  bool wide = false;
  PackedWeights packed;  // for the others
  Leaving leaving;
  std::vector<std::string> notes;  // certificates

  int64_t bytes() const { return static_cast<int64_t>(codes.bytes() + packed.bytes.bytes()); }
};

class ConvStep : public Step {
 public:
  ConvShape shape;
  EngineGrid src;
  std::shared_ptr<const ConvWeights> weights;
  ConvKernel kernel = nullptr;

  void run(StepContext& context) const override {
    const ConvWeights& w = *weights;
    ConvArgs args;
    args.shape = shape;
    args.src = context.at(reads[0]).raw();
    args.src_type = src.type;
    args.src_zero = src.zero;
    args.weights = w.codes.raw();
    args.weight_type = w.codes.dtype();
    args.weight_zero = w.zero.empty() ? nullptr : w.zero.data();
    args.bias = w.bias.empty() ? nullptr : w.bias.data();
    args.wide = w.wide;
    args.packed = w.packed.panels.empty() ? nullptr : &w.packed;
    args.out = w.leaving.output(context.at(writes[0]).raw(), shape.oc);
    constexpr int64_t kChunkMacs = 1 << 18;
    const int64_t macs = shape.kh * shape.kw * (shape.c / shape.groups) * shape.oc;
    context.rows(shape.rows(), kChunkMacs / std::max<int64_t>(1, macs), [&](int64_t begin, int64_t end, std::byte* scratch) {
      ConvArgs mine = args;
      mine.scratch = scratch;
      kernel(mine, begin, end);
    });
  }
};

ConvWeights prepare(const Linear& linear, const ConvShape& s, bool transposed, ConvPacking packing,
                    const std::vector<Reach>& reach, Profile profile) {
  ConvWeights w;
  const Tensor codes = conv_weights_last(linear.weights, s, transposed);
  if (packing == ConvPacking::none) {
    w.codes = codes;
    w.bias = linear.bias;
    if (linear.has_weight_zero) w.zero = linear.weight_zero;
    w.wide = !fits_int32(reach);
  } else {
    w.packed = pack_conv(s, codes.values<int8_t>().data(), linear.bias.empty() ? nullptr : linear.bias.data(), linear.src_codes());
  }
  w.leaving = make_leaving(linear, profile, reach, w.notes);
  return w;
}

Reason lower(Lowering& lowering, const Node& node, bool transposed) {
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const int axis = transposed ? 1 : 0;
  const auto read = read_linear(lowering, node, 1, 2, axis, y.dim(1));
  if (const auto* reason = std::get_if<std::string>(&read)) return *reason;
  const Linear& linear = std::get<Linear>(read);
  const ConvGeometry g = conv_geometry(node, x, w, y, transposed);
  if (!g.reason.empty()) return g.reason;
  const ConvShape& s = g.shape;
  const int64_t k = s.kh * s.kw * (s.c / s.groups);
  const auto reach = lowering.shared(node, "reach", [&] {
    const Tensor codes = conv_weights_last(linear.weights, s, transposed);
    return reach_of({codes, 0, 1, k, linear.weight_zero, linear.bias}, k, s.oc, linear.src_codes());
  });
  if (lowering.simulated() && !transposed && !lower_simulated(lowering, node, linear, 1, 2, axis, x.rank() - 1, *reach))
    return {};
  const ConvProblem problem{.shape = s, .src_type = linear.src.type, .weight_type = linear.weights.dtype(),
                            .out_type = linear.out_type(), .weight_zero = linear.has_weight_zero,
                            .transposed = transposed, .fits_int32 = fits_int32(*reach)};
  const ConvChoice choice = select_conv(problem, lowering.simulated() ? Isa::ref : lowering.options().isa);
  const ConvPacking packing = choice.row->packing;

  auto step = std::make_unique<ConvStep>();
  step->shape = s;
  step->src = linear.src;
  step->kernel = choice.row->kernel;
  step->weights = lowering.shared(node, str("weights ", choice.row->name, " ", linear.tail.key()), [&] {
    return prepare(linear, s, transposed, packing, *reach, lowering.table().profile);
  });
  if (packing != ConvPacking::none) step->scratch_bytes = conv_scratch_bytes(s);
  step->constant_bytes = step->weights->bytes();
  step->info.notes = lines(choice.refused);
  step->info.notes.insert(step->info.notes.end(), step->weights->notes.begin(), step->weights->notes.end());
  step->info.node = node.id;
  step->info.name = display_name(node) + linear.tail.names;
  step->info.kernel = choice.row->name;
  step->info.integer = true;
  step->info.macs = s.rows() * s.oc * k;
  if (transposed) step->info.macs = s.n * s.h * s.w * s.oc * k;
  step->info.bytes = x.elements() + y.elements() + linear.weights.elements();
  step->reads = {lowering.codes(node, 0, Order::channels_last)};
  const BufferId out = lowering.make(step->weights->leaving.type, channels_last_shape(y.shape()));
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
