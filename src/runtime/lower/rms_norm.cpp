// RMSNormalization of codes along the last axis: the squares are summed as integers, exactly. The simulated target does the same with
// codes of its own, made of floats that lie on the grid. The result is float.
#include "kernels/rows/codes.hpp"
#include "runtime/rows.hpp"

namespace bitwright {
namespace {

class RmsCodesStep : public Step {
 public:
  RmsCodesArgs args;
  int64_t rows = 0;
  RmsCodesKernel kernel = nullptr;

  void run(StepContext& context) const override {
    RmsCodesArgs mine = args;
    mine.src = reinterpret_cast<const uint8_t*>(context.at(reads[0]).raw());
    mine.scale = context.at(reads[1]).values<float>().data();
    mine.dst = context.at(writes[0]).values<float>().data();
    constexpr int64_t kLeast = 1 << 13;
    context.spread(rows, std::max<int64_t>(1, kLeast / args.length), [&](int64_t begin, int64_t end, std::byte*) { kernel(mine, begin, end); });
  }
};

BufferId codes_of(Lowering& lowering, const Node& node, const EngineGrid& grid) {
  if (!lowering.simulated()) return lowering.codes(node, 0, Order::plain);
  const BufferId codes = lowering.make(DType::u8, lowering.known(node.input(0))->shape());
  lowering.add(quantize_step(lowering.floats(node, 0), codes, grid));
  return codes;
}

Reason lower_rms_codes(Lowering& lowering, const Node& node) {
  const auto grid = lowering.input_grid(node, 0);
  if (!grid || grid->type != DType::u8) return "";
  if (std::string why = norm_refuses(lowering, node); !why.empty()) return why;
  const Tensor& x = *lowering.known(node.input(0));
  const RmsCodesRow& row = select_rms_codes(lowering.isa());
  auto step = std::make_unique<RmsCodesStep>();
  step->args = {.length = x.dim(-1), .zero = grid->zero, .step = grid->scale, .epsilon = norm_epsilon(node)};
  step->rows = x.elements() / x.dim(-1);
  step->kernel = row.kernel;
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = row.name;
  step->reads = {codes_of(lowering, node, *grid), norm_parameters(lowering, node)[0]};
  const BufferId out = lowering.make(DType::f32, x.shape());
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out);
  return {};
}

const LoweringRule kRules[] = {{"RMSNormalization", lower_rms_codes}};

}  // namespace

std::span<const LoweringRule> lowerings_rms_norm() { return kRules; }

}  // namespace bitwright
