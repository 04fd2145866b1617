// Matrix products with constant weights on codes: MatMul with any number of leading dimensions, Gemm.
#include "runtime/followers.hpp"

namespace bitwright {
namespace {

/// What all plans share.
struct Product {
  MatMulWeights weights;
  Leaving leaving;
  std::vector<std::string> notes;  // refusals, certificates
  void keep_in(KeptMemory& memory) { weights.keep_in(memory); }
};

class MatMulStep : public Step {
 public:
  int64_t m = 0;
  EngineGrid src;
  std::shared_ptr<const Product> product;
  Followers followers;

  void run(StepContext& context) const override {
    const MatMulWeights& weights = product->weights;
    MatMulArgs args = weights.args(m);
    args.a = context.at(reads[0]).raw();
    args.a_type = src.type;
    args.a_zero = src.zero;
    args.out = product->leaving.output(context.at(writes[0]).raw(), args.n);
    weights.multiply(context, args, followers);
  }
};

Reason lower_product(Lowering& lowering, const Node& node) {
  const Tensor& y = *lowering.known(node.output());
  const ProductShape p = product_shape(lowering, node);
  if (!p.reason.empty()) return p.reason;
  const int64_t m = p.m, n = p.n, k = p.k;
  const bool gemm = node.is("Gemm");
  const auto read = read_linear(lowering, node, 1, gemm ? 2 : 99, p.axis, n);
  if (const auto* reason = std::get_if<std::string>(&read)) return *reason;
  const Linear& linear = std::get<Linear>(read);
  const std::string problem = matmul_problem(m, k, n, linear.out_type());
  const auto product = lowering.shared(node, "product " + linear.tail.key(), [&] {
    Product made{{linear.weight_codes(p.trans_b ? 1 : n, p.trans_b ? k : 1), k, n, linear.src_codes(), linear.src.type,
                  linear.out_type(), lowering.wish(problem)}, {}, {}};
    made.notes = made.weights.refused();
    made.leaving = make_leaving(linear, lowering.table().profile, made.weights.reach(), made.notes);
    if (!lowering.simulated()) made.weights.forget_reach(), made.leaving.requantize.keep_step();
    return made;
  });
  if (lowering.simulated() && p.axis >= 0 &&
      !lower_simulated(lowering, node, linear, 1, gemm ? 2 : 99, p.axis, 1, product->weights.reach()))
    return {};

  auto step = std::make_unique<MatMulStep>();
  step->m = m;
  step->src = linear.src;
  step->product = product;
  step->constant_bytes = product->weights.bytes();
  step->info.notes = product->notes;
  step->info.node = node.id;
  step->info.name = display_name(node) + linear.tail.names;
  step->info.kernel = product->weights.row().name;
  step->info.integer = true;
  step->info.problem = problem, step->info.others = product->weights.others();
  step->info.macs = m * n * k;
  step->reads = {lowering.codes(node, 0, Order::plain)};
  const BufferId out = lowering.make(product->leaving.type, y.shape());
  step->writes = {out};
  add_linear(lowering, node, linear, std::move(step), Order::plain);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_product}, {"Gemm", lower_product}};

}  // namespace

std::span<const LoweringRule> lowerings_matmul() { return kRules; }

}  // namespace bitwright
