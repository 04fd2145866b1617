// Add and Mul of two quantized tensors: real values are formed, combined and rounded to the result's grid in one pass.
// Also where one operand is a single number or both have one shape; other broadcasts are left to the general lowering,
// which gives the same numbers.
#include "kernels/elementwise/select.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

class BinaryStep : public Step {
 public:
  BinaryArgs args;
  ElementwiseKernel<BinaryArgs> kernel = nullptr;

  void run(StepContext& context) const override {
    BinaryArgs mine = args;
    mine.a = context.at(reads[0]).raw();
    mine.b = context.at(reads[1]).raw();
    Tensor& dst = context.at(writes[0]);
    mine.dst = dst.raw();
    constexpr int64_t kGrain = 1 << 15;
    context.rows(dst.elements(), kGrain, [&](int64_t begin, int64_t end, std::byte*) { kernel(mine, begin, end); });
  }
};

Affine affine(const EngineGrid& grid) { return {grid.scale, grid.zero}; }

Reason lower_binary(Lowering& lowering, const Node& node) {
  const Tensor &a = *lowering.known(node.input(0)), &b = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const auto qa = lowering.input_grid(node, 0), qb = lowering.input_grid(node, 1);
  if (!qa || !qb) return str("input ", qa ? 1 : 0, " is float");
  const bool single_a = a.elements() == 1, single_b = b.elements() == 1;
  if ((!single_a && a.shape() != y.shape()) || (!single_b && b.shape() != y.shape()))
    return str("broadcasts ", to_string(a.shape()), " and ", to_string(b.shape()));
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  const auto qy = lowering.output_grid(tail.value);
  if (!qy) return "its result is float";

  // Keep the images' layout: no reordering between residual blocks.
  const bool last = y.rank() >= 3 && (lowering.prefers_channels_last(node, 0) || lowering.prefers_channels_last(node, 1)) &&
                    !single_a && !single_b;
  const Order order = last ? Order::channels_last : Order::plain;
  auto step = std::make_unique<BinaryStep>();
  step->args.qa = affine(*qa), step->args.qb = affine(*qb), step->args.qy = affine(*qy);
  step->args.a_type = qa->type, step->args.b_type = qb->type, step->args.dst_type = qy->type;
  step->args.a_step = single_a && y.elements() != 1 ? 0 : 1;
  step->args.b_step = single_b && y.elements() != 1 ? 0 : 1;
  step->args.lo = std::max(qy->lo, qy->code(tail.lo));
  step->args.hi = std::min(qy->hi, qy->code(tail.hi));
  const bool all_u8 = qa->type == DType::u8 && qb->type == DType::u8 && qy->type == DType::u8;
  const auto& rows = node.is("Add") ? elementwise_kernels().add : elementwise_kernels().mul;
  const auto choice = select_elementwise(rows, all_u8, lowering.simulated() ? Isa::ref : lowering.options().isa);
  step->kernel = choice.row->kernel;
  step->info.node = node.id;
  step->info.name = display_name(node) + tail.names;
  step->info.kernel = choice.row->name;
  step->info.bytes = a.elements() + b.elements() + y.elements();
  step->reads = {lowering.codes(node, 0, order), lowering.codes(node, 1, order)};
  const BufferId out = lowering.make(qy->type, last ? channels_last_shape(y.shape()) : y.shape());
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.absorb(tail);
  lowering.define_codes(tail.value, out, order);
  return {};
}

const LoweringRule kRules[] = {{"Add", lower_binary}, {"Mul", lower_binary}};

}  // namespace

std::span<const LoweringRule> lowerings_binary() { return kRules; }

}  // namespace bitwright
