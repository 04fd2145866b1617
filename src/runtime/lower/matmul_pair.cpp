// Matrix products of two activations on codes, with any leading dimensions: attention scores and what they weigh.
// (The name sorts after "matmul", which takes constant weights.)
#include "kernels/matmul/pair.hpp"

#include "runtime/linear.hpp"
#include "runtime/products.hpp"

namespace bitwright {
namespace {

class PairStep : public Step {
 public:
  PairArgs args;  // without pointers
  std::vector<int64_t> a_at, b_at;  // elements to each product of the batch
  Leaving leaving;
  PairKernel kernel = nullptr;

  void run(StepContext& context) const override {
    const std::byte *a = context.at(reads[0]).raw(), *b = context.at(reads[1]).raw();
    std::byte* dst = context.at(writes[0]).raw();
    const int64_t a_bytes = bits_of(args.a_type) / 8, b_bytes = bits_of(args.b_type) / 8;
    const int64_t dst_bytes = args.m * args.n * bits_of(leaving.type) / 8;
    context.rows(static_cast<int64_t>(a_at.size()), 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      PairArgs mine = args;
      mine.scratch = scratch;
      for (int64_t i = begin; i < end; ++i) {
        mine.a = a + a_at[static_cast<size_t>(i)] * a_bytes;
        mine.b = b + b_at[static_cast<size_t>(i)] * b_bytes;
        mine.out = leaving.output(dst + i * dst_bytes, args.n);
        kernel(mine);
      }
    });
  }
};

/// Sums that k products of any codes can reach.
Reach reach_of_pair(const EngineGrid& a, const EngineGrid& b, int64_t k) {
  int64_t lo = 0, hi = 0;
  for (const int64_t x : {a.lo - a.zero, a.hi - a.zero})
    for (const int64_t y : {b.lo - b.zero, b.hi - b.zero}) lo = std::min(lo, x * y), hi = std::max(hi, x * y);
  return {lo * k, hi * k};
}

Reason simulate(Lowering& lowering, const Node& node, const Linear& linear, const EngineGrid& b, const std::vector<Reach>& reach) {
  if (Reason reason = floats_refuse(reach)) return reason;
  const BufferId left = centered(lowering, node, 0, linear.src), right = centered(lowering, node, 1, b);
  const BufferId sums = lowering.make(DType::f32, lowering.known(node.output())->shape());
  lowering.add(operator_step(node, {left, right}, {sums}));
  leave_simulated(lowering, node, linear, sums, 1, reach);
  return {};
}

Reason lower_pair(Lowering& lowering, const Node& node) {
  const auto a = lowering.input_grid(node, 0), b = lowering.input_grid(node, 1);
  if (!a || !b) return "";
  const Shape &left = lowering.known(node.input(0))->shape(), &right = lowering.known(node.input(1))->shape();
  const Shape& result = lowering.known(node.output())->shape();
  if (left.size() < 2 || right.size() < 2) return str("shapes ", to_string(left), " x ", to_string(right));
  auto step = std::make_unique<PairStep>();
  PairArgs& args = step->args;
  args.m = left[left.size() - 2], args.k = left.back(), args.n = right.back();
  Linear linear;
  linear.src = *a;
  linear.channels = args.n;
  linear.weight_scale.assign(static_cast<size_t>(args.n), b->scale);
  read_tail(lowering, node, linear);
  const std::vector<Reach> reach(static_cast<size_t>(args.n), reach_of_pair(*a, *b, args.k));
  if (lowering.simulated() && !simulate(lowering, node, linear, *b, reach)) return {};

  args.a_type = a->type, args.b_type = b->type;
  args.a_zero = a->zero, args.b_zero = b->zero;
  args.wide = !fits_int32(reach);
  const PairProblem problem{args.a_type, args.b_type, linear.out_type(), !args.wide};
  const PairChoice choice = select_pair(problem, lowering.simulated() ? Isa::ref : lowering.options().isa);
  for (const Refusal& refusal : choice.refused) step->info.notes.push_back(str(refusal.kernel, ": ", refusal.reason));
  step->kernel = choice.row->kernel;
  step->a_at = product_starts(left, result), step->b_at = product_starts(right, result);
  step->leaving = make_leaving(linear, lowering.table().profile, reach, step->info.notes);
  step->scratch_bytes = pair_scratch_bytes(args.n, args.k);
  const auto products = static_cast<int64_t>(step->a_at.size());
  step->info.node = node.id;
  step->info.name = display_name(node) + linear.tail.names;
  step->info.kernel = choice.row->name;
  step->info.integer = true;
  step->info.macs = products * args.m * args.n * args.k;
  step->reads = {lowering.codes(node, 0, Order::plain), lowering.codes(node, 1, Order::plain)};
  const BufferId out = lowering.make(step->leaving.type, result);
  step->writes = {out};
  lowering.add(std::move(step));
  define_linear(lowering, node, linear, out, Order::plain);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_pair}};

}  // namespace

std::span<const LoweringRule> lowerings_matmul_pair() { return kRules; }

}  // namespace bitwright
