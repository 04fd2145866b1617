// Convolutions with activations quantized at run time: what ONNX writes as DynamicQuantizeLinear, ConvInteger, Cast, Mul
// and Add. (The name sorts before "convolution", which wants activations with a grid.)
#include "runtime/convolution.hpp"
#include "runtime/dynamic.hpp"

namespace bitwright {
namespace {

/// What all plans share.
struct Product {
  ConvWeights weights;
  std::vector<float> scale, bias;  // with 64 to spare
  void keep_in(KeptMemory& memory) {
    weights.keep_in(memory);
    weights.forget_reach();
  }
};

class DynamicConvStep : public Step {
 public:
  ConvShape shape;
  std::shared_ptr<const Product> product;

  void run(StepContext& context) const override {
    ConvArgs args;
    args.src = context.at(reads[0]).raw();
    args.src_zero = context.at(reads[2]).values<int32_t>()[0];
    args.out = {.type = DType::f32, .data = context.at(writes[0]).raw(), .stride = shape.oc};
    args.out.dequantize = {product->scale.data(), context.at(reads[1]).values<float>().data(), 0,
                           product->bias.empty() ? nullptr : product->bias.data()};
    product->weights.run(context, shape, args);
  }
};

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
  const std::string problem = conv_problem(s, false, DType::f32);
  auto step = std::make_unique<DynamicConvStep>();
  step->shape = s;
  step->product = lowering.shared(node, "dynamic convolution", [&] {
    return Product{{linear, s, false, kDynamicCodes, DType::f32, lowering.wish(problem)}, with_slack(linear.weight_scale), slack_floats(bias)};
  });
  describe_convolution(node, s, step->product->weights, *step);
  step->info.problem = problem;
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
