// Add and Mul of two quantized tensors of one shape, or where one is a single number, in one pass over codes. Profile `ort`
// computes 8-bit codes as ONNX Runtime does (docs Q15). Other profiles, wider codes and other broadcasts form real values
// in float, combine and round them.
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

ElementwiseChoice<BinaryArgs> choose(BinaryArgs& args, bool add, bool as_onnxruntime, Isa cap) {
  const ElementwiseTable& table = elementwise_kernels();
  if (!as_onnxruntime) return select_elementwise(add ? table.add_float : table.mul_float, false, cap);
  (add ? set_add : set_mul)(args);
  return select_elementwise(add ? table.add : table.mul, true, cap);
}

Reason lower_binary(Lowering& lowering, const Node& node) {
  const Shape& shape = lowering.known(node.output())->shape();
  const int64_t count = lowering.known(node.output())->elements();
  const auto single = [&](size_t i) { return lowering.known(node.input(i))->elements() == 1; };
  for (size_t i = 0; i < 2; ++i) {
    if (!lowering.input_grid(node, i)) return str("input ", i, " is float");
    if (!single(i) && lowering.known(node.input(i))->shape() != shape)
      return str("broadcasts ", to_string(lowering.known(node.input(0))->shape()), " and ",
                 to_string(lowering.known(node.input(1))->shape()));
  }
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  const auto qy = lowering.output_grid(tail.value);
  if (!qy) return "its result is float";
  const size_t first = single(0) && !single(1) ? 1 : 0, second = 1 - first;  // set_add: a single number comes second
  const auto qa = *lowering.input_grid(node, first), qb = *lowering.input_grid(node, second);

  // Keep the images' layout: no reordering between residual blocks.
  const bool last = shape.size() >= 3 && !single(0) && !single(1) &&
                    (lowering.prefers_channels_last(node, 0) || lowering.prefers_channels_last(node, 1));
  const Order order = last ? Order::channels_last : Order::plain;
  auto step = std::make_unique<BinaryStep>();
  step->args.qa = affine(qa), step->args.qb = affine(qb), step->args.qy = affine(*qy);
  step->args.a_type = qa.type, step->args.b_type = qb.type, step->args.dst_type = qy->type;
  step->args.b_step = single(second) && count != 1 ? 0 : 1;
  step->args.lo = std::max(qy->lo, qy->code(tail.lo));
  step->args.hi = std::min(qy->hi, qy->code(tail.hi));
  const bool u8 = qa.type == DType::u8 && qb.type == DType::u8 && qy->type == DType::u8;
  const auto choice = choose(step->args, node.is("Add"), u8 && lowering.table().profile == Profile::ort,
                             lowering.simulated() ? Isa::ref : lowering.options().isa);
  step->kernel = choice.row->kernel;
  step->info.node = node.id;
  step->info.name = display_name(node) + tail.names;
  step->info.kernel = choice.row->name;
  step->info.bytes = lowering.known(node.input(0))->elements() + lowering.known(node.input(1))->elements() + count;
  step->reads = {lowering.codes(node, first, order), lowering.codes(node, second, order)};
  const BufferId out = lowering.make(qy->type, last ? channels_last_shape(shape) : shape);
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
