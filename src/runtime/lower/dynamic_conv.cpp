// Convolutions with activations quantized at run time: what ONNX writes as DynamicQuantizeLinear, ConvInteger, Cast, Mul
// and Add. (The name sorts before "convolution", which wants activations with a grid.)
#include "runtime/convolution.hpp"
#include "runtime/dynamic.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// What all plans share.
struct Filters {
  Tensor codes;  // [oc, kh, kw, c / groups], for the reference
  std::vector<int32_t> zero;
  PackedWeights packed;  // for the others
  std::vector<float> scale, bias;  // with 64 to spare
  bool wide = false;
  const ConvRow* row = nullptr;
  std::vector<std::string> refused;
};

class DynamicConvStep : public Step {
 public:
  ConvShape shape;
  std::shared_ptr<const Filters> filters;
  int64_t grain = 1;

  void run(StepContext& context) const override {
    const Filters& f = *filters;
    ConvArgs args;
    args.shape = shape;
    args.src = context.at(reads[0]).raw();
    args.src_zero = context.at(reads[2]).values<int32_t>()[0];
    args.weights = f.codes.raw();
    args.weight_zero = f.zero.empty() ? nullptr : f.zero.data();
    args.wide = f.wide;
    args.packed = f.packed.panels.empty() ? nullptr : &f.packed;
    args.out = {.type = DType::f32, .data = context.at(writes[0]).raw(), .stride = shape.oc};
    args.out.dequantize = {f.scale.data(), context.at(reads[1]).values<float>().data(), 0, f.bias.empty() ? nullptr : f.bias.data()};
    context.rows(shape.rows(), grain, [&](int64_t begin, int64_t end, std::byte* scratch) {
      ConvArgs mine = args;
      mine.scratch = scratch;
      f.row->kernel(mine, begin, end);
    });
  }
};

Filters prepare(const Linear& linear, const Tensor* bias, const ConvShape& s, Isa isa) {
  Filters f;
  const Tensor codes = conv_weights_last(linear.weights, s, false);
  PackedWeights packed = pack_conv(s, codes.values<int8_t>().data(), nullptr, kDynamicCodes);
  const ConvProblem problem{.shape = s, .out_type = DType::f32, .weight_zero = linear.has_weight_zero,
                            .fits_int32 = packed.fits_int32};
  const ConvChoice choice = select_conv(problem, isa);
  f.row = choice.row;
  f.refused = lines(choice.refused);
  f.wide = !packed.fits_int32 || linear.has_weight_zero;
  f.scale = with_slack(linear.weight_scale);
  if (bias) {
    const Tensor values = to_f32(*bias);
    f.bias = with_slack({values.values<float>().begin(), values.values<float>().end()});
  }
  if (choice.row->packing != ConvPacking::none) {
    f.packed = std::move(packed);
    return f;
  }
  f.codes = codes;
  if (linear.has_weight_zero) f.zero = linear.weight_zero;
  return f;
}

Reason lower_dynamic(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->when != When::at_run) return "";
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  if (x.elements() == 0 || y.elements() == 0) return "it has nothing to compute";
  const ConvGeometry g = conv_geometry(node, x, w, y, false);
  if (!g.reason.empty()) return g.reason;
  if (entry->per_row) return "a convolution has one scale for its whole input";
  const ConvShape& s = g.shape;
  Linear linear;
  linear.channels = s.oc;
  if (std::string reason = read_weights(lowering, node, 1, 0, linear); !reason.empty()) return reason;
  if (linear.weights.dtype() != DType::i8) return "its weights are wider than 8 bits";
  const bool has_bias = node.input(2) != ValueId::none;
  const Tensor* bias = has_bias ? lowering.constant(node.input(2)) : nullptr;
  if (has_bias && (!bias || bias->elements() != s.oc)) return "its bias is not one constant per output";
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  auto step = std::make_unique<DynamicConvStep>();
  step->shape = s;
  step->filters = lowering.shared(node, "dynamic filters", [&] { return prepare(linear, bias, s, isa); });
  const Filters& filters = *step->filters;
  const int64_t k = s.kh * s.kw * (s.c / s.groups);
  step->grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, k * s.oc));
  if (filters.row->packing != ConvPacking::none) step->scratch_bytes = conv_scratch_bytes(s);
  step->constant_bytes = static_cast<int64_t>(filters.codes.bytes() + filters.packed.bytes.bytes());
  step->info.notes = filters.refused;
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = filters.row->name;
  step->info.integer = true;
  step->info.macs = s.rows() * s.oc * k;
  step->info.bytes = x.elements() + 4 * y.elements() + w.elements();
  const RunTimeCodes codes = quantize_at_run(lowering, node, Order::channels_last, false);
  const BufferId out = lowering.make(DType::f32, channels_last_shape(y.shape()));
  step->reads = {codes.codes, codes.scale, codes.zero};
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out, Order::channels_last);
  return {};
}

const LoweringRule kRules[] = {{"Conv", lower_dynamic}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_conv() { return kRules; }

}  // namespace bitwright
