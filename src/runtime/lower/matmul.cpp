// Matrix products with constant weights on codes: MatMul with any number of leading dimensions, Gemm.
#include "kernels/matmul/matmul.hpp"

#include "runtime/linear.hpp"

namespace bitwright {
namespace {

class MatMulStep : public Step {
 public:
  int64_t m = 0, n = 0, k = 0;
  EngineGrid src;
  Tensor weights;  // [k, n], for the reference
  std::vector<int32_t> weight_zero, bias;
  bool wide = false;
  PackedWeights packed;
  Leaving leaving;
  MatMulKernel kernel = nullptr;

  void run(StepContext& context) const override {
    MatMulArgs args;
    args.m = m, args.n = n, args.k = k;
    args.a = context.at(reads[0]).raw();
    args.a_stride = k;
    args.a_type = src.type;
    args.a_zero = src.zero;
    args.b = weights.raw();
    args.b_type = weights.dtype();
    args.b_zero = weight_zero.empty() ? nullptr : weight_zero.data();
    args.bias = bias.empty() ? nullptr : bias.data();
    args.wide = wide;
    args.packed = packed.panels.empty() ? nullptr : &packed;
    args.out = leaving.output(context.at(writes[0]).raw(), n);
    constexpr int64_t kChunkMacs = 1 << 18;
    const int64_t grain = std::max<int64_t>(1, kChunkMacs / std::max<int64_t>(1, n * k));
    context.rows(m, grain, [&](int64_t begin, int64_t end, std::byte*) { kernel(args, begin, end); });
  }
};

template <class T>
Tensor transposed(const Tensor& w) {
  Tensor result(w.dtype(), {w.dim(1), w.dim(0)});
  for (int64_t i = 0; i < w.dim(0); ++i)
    for (int64_t j = 0; j < w.dim(1); ++j)
      result.values<T>()[static_cast<size_t>(j * w.dim(0) + i)] = w.values<T>()[static_cast<size_t>(i * w.dim(1) + j)];
  return result;
}

Reason lower_product(Lowering& lowering, const Node& node) {
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const bool gemm = node.is("Gemm");
  const bool trans_b = gemm && node.attr_int("transB", 0);
  if (gemm && (node.attr_int("transA", 0) || node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1))
    return "transA, alpha or beta";
  if (w.rank() != 2 || x.rank() < 2) return str("shapes ", to_string(x.shape()), " x ", to_string(w.shape()));
  const int64_t k = x.dim(-1), n = y.dim(-1), m = x.elements() / std::max<int64_t>(1, k);
  const auto read = read_linear(lowering, node, 1, gemm ? 2 : 99, trans_b ? 0 : 1, n);
  if (const auto* reason = std::get_if<std::string>(&read)) return *reason;
  Linear linear = std::get<Linear>(read);
  const std::vector<Reach> reach = reach_of(linear, k, trans_b ? k : 1, trans_b ? 1 : n);
  if (lowering.simulated() && !lower_simulated(lowering, node, linear, 1, gemm ? 2 : 99, trans_b ? 0 : 1, 1, reach))
    return {};

  auto step = std::make_unique<MatMulStep>();
  step->m = m, step->n = n, step->k = k;
  step->src = linear.src;
  const bool fits = fits_int32(reach);
  const MatMulProblem problem{.a_type = linear.src.type, .b_type = linear.weights.dtype(),
                              .out_type = linear.dst ? linear.dst->type : DType::f32,
                              .b_zero = linear.has_weight_zero, .fits_int32 = fits};
  const MatMulChoice choice = select_matmul(problem, lowering.simulated() ? Isa::ref : lowering.options().isa);
  for (const Refusal& refusal : choice.refused) step->info.notes.push_back(str(refusal.kernel, ": ", refusal.reason));
  step->kernel = choice.row->kernel;
  if (!choice.row->packed) {
    step->weights = linear.weights;
    if (trans_b)
      step->weights = linear.weights.dtype() == DType::i8 ? transposed<int8_t>(linear.weights)
                                                          : transposed<int16_t>(linear.weights);
    step->bias = linear.bias;
    if (linear.has_weight_zero) step->weight_zero = linear.weight_zero;
    step->wide = !fits;
  } else {
    step->packed = pack_matmul(k, n, linear.weights.values<int8_t>().data(), trans_b ? 1 : n, trans_b ? k : 1,
                               linear.bias.empty() ? nullptr : linear.bias.data(), linear.src_codes());
  }
  step->constant_bytes = static_cast<int64_t>(step->weights.bytes() + step->packed.bytes.bytes());
  step->leaving = make_leaving(linear, lowering.table().profile, reach, step->info.notes);
  step->info.node = node.id;
  step->info.name = display_name(node) + linear.tail.names;
  step->info.kernel = choice.row->name;
  step->info.integer = true;
  step->info.macs = m * n * k;
  step->info.bytes = x.elements() + y.elements() + w.elements();
  step->reads = {lowering.codes(node, 0, Order::plain)};
  const BufferId out = lowering.make(step->leaving.type, y.shape());
  step->writes = {out};
  lowering.add(std::move(step));
  define_linear(lowering, node, linear, out, Order::plain);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_product}, {"Gemm", lower_product}};

}  // namespace

std::span<const LoweringRule> lowerings_matmul() { return kRules; }

}  // namespace bitwright
