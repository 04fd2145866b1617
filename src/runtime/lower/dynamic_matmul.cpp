// Dynamic quantization: activations become codes at run time, by the range of each input (per tensor or per row), weights
// are codes already. What ONNX writes as DynamicQuantizeLinear, MatMulInteger, Cast, Mul and Add.
// (The name sorts before "matmul", which wants activations with a grid.)
#include "runtime/dynamic.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// What all plans share.
struct Product {
  MatMulWeights weights;
  std::vector<float> scale, bias;  // with 64 to spare
};

class DynamicMatMulStep : public Step {
 public:
  int64_t m = 0;
  bool per_row = false;
  std::shared_ptr<const Product> product;

  void run(StepContext& context) const override {
    const MatMulWeights& weights = product->weights;
    MatMulArgs args = weights.args(m);
    args.a = context.at(reads[0]).raw();
    const int32_t* zero = context.at(reads[2]).values<int32_t>().data();
    args.row_zero = per_row ? zero : nullptr;
    args.a_zero = per_row ? 0 : zero[0];
    args.out = {.type = DType::f32, .data = context.at(writes[0]).raw(), .stride = args.n};
    args.out.dequantize = {product->scale.data(), context.at(reads[1]).values<float>().data(), per_row ? 1 : 0,
                           product->bias.empty() ? nullptr : product->bias.data()};
    weights.multiply(context, args);
  }
};

Reason lower_dynamic(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->when != When::at_run) return "";
  const Tensor& y = *lowering.known(node.output());
  const ProductShape p = product_shape(lowering, node);
  if (!p.reason.empty()) return p.reason;
  const int64_t m = p.m, n = p.n, k = p.k;
  const bool gemm = node.is("Gemm");
  Linear linear;
  linear.channels = n;
  linear.src = {.type = DType::u8};
  if (std::string reason = read_weights(lowering, node, 1, p.axis, linear); !reason.empty()) return reason;
  if (linear.weights.dtype() != DType::i8) return "its weights are wider than 8 bits";
  const bool has_bias = gemm && node.input(2) != ValueId::none;
  const Tensor* bias = has_bias ? lowering.constant(node.input(2)) : nullptr;
  if (has_bias && (!bias || bias->elements() != n)) return "its bias is not one constant per output";
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  const auto product = lowering.shared(node, "dynamic product", [&] {
    return Product{{linear.weight_codes(p.trans_b ? 1 : n, p.trans_b ? k : 1), k, n, kDynamicCodes, DType::u8, DType::f32, isa},
                   with_slack(linear.weight_scale), slack_floats(bias)};
  });

  const RunTimeCodes codes = quantize_at_run(lowering, node, Order::plain, entry->per_row);
  auto step = std::make_unique<DynamicMatMulStep>();
  step->m = m;
  step->per_row = entry->per_row;
  step->product = product;
  step->constant_bytes = product->weights.bytes();
  step->info.notes = product->weights.refused();
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = product->weights.row().name;
  step->info.integer = true;
  step->info.macs = m * n * k;
  const BufferId out = lowering.make(DType::f32, y.shape());
  step->reads = {codes.codes, codes.scale, codes.zero};
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_dynamic}, {"Gemm", lower_dynamic}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_matmul() { return kRules; }

}  // namespace bitwright
