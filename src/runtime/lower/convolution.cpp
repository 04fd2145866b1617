// Convolution on codes, channels last. Dense, grouped and depthwise come from one kernel table; transposed has its own
// reference.
#include "runtime/convolution.hpp"

namespace bitwright {
namespace {

/// What all plans share.
struct Product {
  ConvWeights weights;
  Leaving leaving;
  std::vector<std::string> notes;  // certificates
  void keep_in(KeptMemory& memory) { weights.keep_in(memory); }
};

class ConvStep : public Step {
 public:
  ConvShape shape;
  EngineGrid src;
  std::shared_ptr<const Product> product;
  Followers followers;

  void run(StepContext& context) const override {
    ConvArgs args;
    args.src = context.at(reads[0]).raw();
    args.src_type = src.type;
    args.src_zero = src.zero;
    args.out = product->leaving.output(context.at(writes[0]).raw(), row_stride > 0 ? row_stride : shape.oc);
    product->weights.run(context, shape, args, followers);
  }
};

Reason lower(Lowering& lowering, const Node& node, bool transposed) {
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const int axis = transposed ? 1 : 0;
  const auto read = read_linear(lowering, node, 1, 2, axis, y.dim(1));
  if (const auto* reason = std::get_if<std::string>(&read)) return *reason;
  const Linear& linear = std::get<Linear>(read);
  const ConvGeometry g = conv_geometry(node, x, w, y, transposed);
  if (!g.reason.empty()) return g.reason;
  const ConvShape& s = g.shape;
  const std::string problem = conv_problem(s, transposed, linear.out_type());
  const auto product = lowering.shared(node, "convolution " + linear.tail.key(), [&] {
    Product made{{linear, s, transposed, linear.src_codes(), linear.out_type(), lowering.wish(problem)}, {}, {}};
    made.leaving = make_leaving(linear, lowering.table().profile, made.weights.reach(), made.notes);
    if (!lowering.simulated()) made.weights.forget_reach(), made.leaving.requantize.keep_step();
    return made;
  });
  if (lowering.simulated() && !transposed &&
      !lower_simulated(lowering, node, linear, 1, 2, axis, x.rank() - 1, product->weights.reach()))
    return {};

  auto step = std::make_unique<ConvStep>();
  step->shape = s;
  step->src = linear.src;
  step->product = product;
  describe_convolution(node, s, product->weights, *step);
  step->info.problem = problem;
  step->info.name += linear.tail.names;
  step->info.notes.insert(step->info.notes.end(), product->notes.begin(), product->notes.end());
  step->reads = {lowering.codes(node, 0, Order::channels_last)};
  const BufferId out = lowering.make(product->leaving.type, channels_last_shape(y.shape()));
  step->writes = {out};
  step->can_stride = true;
  add_linear(lowering, node, linear, std::move(step), Order::channels_last);
  return {};
}

Reason lower_conv(Lowering& lowering, const Node& node) { return lower(lowering, node, false); }
Reason lower_conv_transpose(Lowering& lowering, const Node& node) { return lower(lowering, node, true); }

const LoweringRule kRules[] = {{"Conv", lower_conv}, {"ConvTranspose", lower_conv_transpose}};

}  // namespace

std::span<const LoweringRule> lowerings_convolution() { return kRules; }

}  // namespace bitwright
