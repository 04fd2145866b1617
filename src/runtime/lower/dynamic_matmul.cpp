// Dynamic quantization: activations become codes at run time, by the range of each input (per tensor or per row), weights
// are codes already. What ONNX writes as DynamicQuantizeLinear, MatMulInteger, Cast, Mul and Add.
// (The name sorts before "matmul", which wants activations with a grid.)
#include "kernels/elementwise/select.hpp"
#include "kernels/matmul/matmul.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// f32 [m, k] -> u8 codes [m, k], scale and zero point [m] (per row) or [1].
class DynamicQuantizeStep : public Step {
 public:
  int64_t m = 0, k = 0;
  bool per_row = false;
  ElementwiseKernel<RangeArgs> range = nullptr;
  ElementwiseKernel<QuantizeArgs> quantize = nullptr;

  void run(StepContext& context) const override {
    const float* src = context.at(reads[0]).values<float>().data();
    uint8_t* codes = context.at(writes[0]).values<uint8_t>().data();
    float* scale = context.at(writes[1]).values<float>().data();
    int32_t* zero = context.at(writes[2]).values<int32_t>().data();
    const int64_t rows = per_row ? m : 1, length = per_row ? k : m * k;
    const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, length));
    context.rows(rows, grain, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t r = begin; r < end; ++r) {
        float lo = 0, hi = 0;
        range({src + r * length, &lo, &hi}, 0, length);
        const Affine q = dynamic_codes(lo, hi);
        scale[r] = q.scale, zero[r] = q.zero;
        if (per_row) quantize({src + r * length, codes + r * length, DType::u8, q, 0, 255}, 0, length);
      }
    });
    if (per_row) return;
    const QuantizeArgs args{src, codes, DType::u8, {scale[0], zero[0]}, 0, 255};
    context.rows(length, 1 << 15, [&](int64_t begin, int64_t end, std::byte*) { quantize(args, begin, end); });
  }
};

class DynamicMatMulStep : public Step {
 public:
  int64_t m = 0, n = 0, k = 0;
  bool per_row = false;
  Tensor weights;  // [k, n], for the reference
  std::vector<int32_t> weight_zero;
  PackedWeights packed;
  std::vector<float> scale, bias;  // with 64 to spare
  bool wide = false;
  MatMulKernel kernel = nullptr;

  void run(StepContext& context) const override {
    MatMulArgs args;
    args.m = m, args.n = n, args.k = k;
    args.a = context.at(reads[0]).raw();
    args.a_stride = k;
    const int32_t* zero = context.at(reads[2]).values<int32_t>().data();
    args.row_zero = per_row ? zero : nullptr;
    args.a_zero = per_row ? 0 : zero[0];
    args.b = weights.raw();
    args.b_type = weights.dtype();
    args.b_zero = weight_zero.empty() ? nullptr : weight_zero.data();
    args.wide = wide;
    args.packed = packed.panels.empty() ? nullptr : &packed;
    args.out = {.type = DType::f32, .data = context.at(writes[0]).raw(), .stride = n};
    args.out.dequantize = {scale.data(), context.at(reads[1]).values<float>().data(), per_row ? 1 : 0,
                           bias.empty() ? nullptr : bias.data()};
    const int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, n * k));
    context.rows(m, grain, [&](int64_t begin, int64_t end, std::byte*) { kernel(args, begin, end); });
  }
};

Tensor row_major(const Tensor& w, bool transposed) {
  if (!transposed) return w;
  Tensor result(DType::i8, {w.dim(1), w.dim(0)});
  for (int64_t i = 0; i < w.dim(0); ++i)
    for (int64_t j = 0; j < w.dim(1); ++j)
      result.values<int8_t>()[static_cast<size_t>(j * w.dim(0) + i)] = w.values<int8_t>()[static_cast<size_t>(i * w.dim(1) + j)];
  return result;
}

Reason lower_dynamic(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->when != When::at_run) return "";
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const bool gemm = node.is("Gemm");
  const bool trans_b = gemm && node.attr_int("transB", 0);
  if (gemm && (node.attr_int("transA", 0) || node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1))
    return "transA, alpha or beta";
  if (w.rank() != 2 || x.rank() < 2) return str("shapes ", to_string(x.shape()), " x ", to_string(w.shape()));
  const int64_t k = x.dim(-1), n = y.dim(-1), m = x.elements() / std::max<int64_t>(1, k);
  Linear linear;
  linear.channels = n;
  linear.src = {.type = DType::u8};
  if (std::string reason = read_weights(lowering, node, 1, trans_b ? 0 : 1, linear); !reason.empty()) return reason;
  if (linear.weights.dtype() != DType::i8) return "its weights are wider than 8 bits";
  auto product = std::make_unique<DynamicMatMulStep>();
  if (gemm && node.input(2) != ValueId::none) {
    const Tensor* bias = lowering.constant(node.input(2));
    if (!bias || bias->elements() != n) return "its bias is not one constant per output";
    const Tensor values = to_f32(*bias);
    product->bias.assign(values.values<float>().begin(), values.values<float>().end());
    product->bias.resize(product->bias.size() + 64);
  }
  // Whatever the zero point turns out to be, a code minus it lies within +-255.
  const SrcCodes src{.zero = 0, .lo = 0, .hi = 255, .dynamic = true};
  PackedWeights packed = pack_matmul(k, n, linear.weights.values<int8_t>().data(), trans_b ? 1 : n, trans_b ? k : 1, nullptr, src);
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  const MatMulChoice choice = select_matmul({.out_type = DType::f32, .b_zero = linear.has_weight_zero,
                                             .fits_int32 = packed.fits_int32}, isa);
  for (const Refusal& refusal : choice.refused) product->info.notes.push_back(str(refusal.kernel, ": ", refusal.reason));
  product->wide = !packed.fits_int32 || linear.has_weight_zero;
  if (choice.row->packed) {
    product->packed = std::move(packed);
  } else {
    product->weights = row_major(linear.weights, trans_b);
    if (linear.has_weight_zero) product->weight_zero = linear.weight_zero;
  }
  product->constant_bytes = static_cast<int64_t>(product->weights.bytes() + product->packed.bytes.bytes());
  product->m = m, product->n = n, product->k = k;
  product->per_row = entry->per_row;
  product->kernel = choice.row->kernel;
  product->scale = linear.weight_scale;
  product->scale.resize(product->scale.size() + 64);

  auto quantize = std::make_unique<DynamicQuantizeStep>();
  quantize->m = m, quantize->k = k;
  quantize->per_row = entry->per_row;
  quantize->range = select_elementwise(elementwise_kernels().range, true, isa).row->kernel;
  quantize->quantize = select_elementwise(elementwise_kernels().quantize, true, isa).row->kernel;
  quantize->info.node = node.id;
  quantize->info.kernel = entry->per_row ? "quantize at run, per row" : "quantize at run, per tensor";
  const int64_t parameters = entry->per_row ? m : 1;
  quantize->reads = {lowering.floats(node, 0)};
  const BufferId codes = lowering.make(DType::u8, x.shape()), scale = lowering.make(DType::f32, {parameters});
  const BufferId zero = lowering.make(DType::i32, {parameters});
  quantize->writes = {codes, scale, zero};
  lowering.add(std::move(quantize));

  product->info.node = node.id;
  product->info.name = display_name(node);
  product->info.kernel = choice.row->name;
  product->info.integer = true;
  product->info.macs = m * n * k;
  product->info.bytes = x.elements() + 4 * y.elements() + w.elements();
  const BufferId out = lowering.make(DType::f32, y.shape());
  product->reads = {codes, scale, zero};
  product->writes = {out};
  lowering.add(std::move(product));
  lowering.define_raw(node.output(), out);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_dynamic}, {"Gemm", lower_dynamic}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_matmul() { return kRules; }

}  // namespace bitwright
