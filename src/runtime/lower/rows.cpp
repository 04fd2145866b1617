// Softmax, normalizations of rows and the activations with an exponential, on float32, by our own kernels: the same bits on every
// instruction set. Activations keep the order in which images lie.
#include "runtime/rows.hpp"

#include "runtime/ranges.hpp"

namespace bitwright {

std::optional<RowsFunction> activation_of(const Node& node) {
  if (node.is("Sigmoid")) return RowsFunction::sigmoid;
  if (node.is("Tanh")) return RowsFunction::tanh;
  if (node.is("Swish") && node.attr_float("alpha", 1) == 1) return RowsFunction::swish;
  if (node.is("Gelu") && node.attr_string("approximate", "none") == "none") return RowsFunction::gelu;
  return {};
}

std::string norm_refuses(const Lowering& lowering, const Node& node) {
  const Tensor& x = *lowering.known(node.input(0));
  if (x.dtype() != DType::f32 || x.elements() == 0 || x.rank() == 0 || node.outputs.size() != 1 || node.attr_int("stash_type", 1) != 1)
    return "has several outputs or computes in another type";
  const int64_t axis = node.attr_int("axis", -1);
  if (axis != -1 && axis != x.rank() - 1) return "normalises more than the last axis";
  for (size_t i = 1; i < 3; ++i) {
    if (node.input(i) == ValueId::none) continue;
    const Tensor& parameter = *lowering.known(node.input(i));
    if (parameter.dtype() != DType::f32 || parameter.elements() != x.dim(-1)) return str("input ", i, " is not one number per element");
    if (!lowering.exists(node.input(i)) && !lowering.constant(node.input(i))) return str("input ", i, " is computed later");
  }
  return {};
}

std::vector<BufferId> norm_parameters(Lowering& lowering, const Node& node) {
  std::vector<BufferId> parameters;
  for (size_t i = 1; i < 3; ++i)
    if (node.input(i) != ValueId::none) parameters.push_back(lowering.floats(node, i));
  return parameters;
}

namespace {

class RowsStep : public Step {
 public:
  RowsArgs args;
  int64_t rows = 0;
  RowsKernel kernel = nullptr;

  void run(StepContext& context) const override {
    RowsArgs mine = args;
    mine.src = context.at(reads[0]).values<float>().data();
    if (reads.size() > 1) mine.scale = context.at(reads[1]).values<float>().data();
    if (reads.size() > 2) mine.bias = context.at(reads[2]).values<float>().data();
    mine.dst = context.at(writes[0]).values<float>().data();
    constexpr int64_t kGrain = 1 << 13;
    float* cell = writes.size() > 1 ? context.at(writes[1]).values<float>().data() : nullptr;
    if (cell) cell[0] = cell[1] = 0;
    context.rows(rows, kGrain / std::max<int64_t>(1, args.length), [&](int64_t begin, int64_t end, std::byte*) {
      RowsArgs piece = mine;
      float seen[2] = {0, 0};
      if (cell) piece.range = seen;
      kernel(piece, begin, end);
      if (cell) merge_range(cell, seen);
    });
  }
};

void add_step(Lowering& lowering, const Node& node, RowsFunction function, RowsArgs args, std::vector<BufferId> reads, Order order) {
  const Tensor& y = *lowering.known(node.output());
  const RowsRow& row = select_rows(function, lowering.options().isa);
  auto step = std::make_unique<RowsStep>();
  step->args = args;
  step->rows = y.elements() / args.length;
  step->kernel = row.kernel;
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = row.name;
  step->reads = std::move(reads);
  const BufferId out = lowering.make(DType::f32, order == Order::plain ? y.shape() : channels_last_shape(y.shape()));
  step->writes = {out};
  if (function != RowsFunction::softmax)
    if (const BufferId range = make_range(lowering, node.output()); range != kNoBuffer) step->writes.push_back(range);
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out, order);
}

bool is_float(Lowering& lowering, const Node& node) {
  const Tensor& x = *lowering.known(node.input(0));
  return x.dtype() == DType::f32 && x.elements() > 0 && node.outputs.size() == 1;
}

Reason lower_activation(Lowering& lowering, const Node& node) {
  const auto function = activation_of(node);
  if (!function || !is_float(lowering, node)) return "";
  const bool last = lowering.known(node.output())->rank() >= 3 && lowering.prefers_channels_last(node, 0);
  const Order order = last ? Order::channels_last : Order::plain;
  add_step(lowering, node, *function, {.length = 1}, {lowering.floats(node, 0, order)}, order);
  return {};
}

/// The extent of the last axis if `axis` names it or only extents of 1 follow; else 0.
int64_t row_length(const Tensor& x, int64_t axis) {
  if (axis < 0) axis += x.rank();
  if (axis < 0 || axis >= x.rank()) return 0;
  const auto& shape = x.shape();
  return std::all_of(shape.begin() + axis + 1, shape.end(), [](int64_t extent) { return extent == 1; }) ? x.dim(axis) : 0;
}

Reason lower_softmax(Lowering& lowering, const Node& node) {
  if (!is_float(lowering, node)) return "";
  const int64_t length = row_length(*lowering.known(node.input(0)), node.attr_int("axis", -1));
  if (length == 0) return "not along the last axis";
  add_step(lowering, node, RowsFunction::softmax, {.length = length}, {lowering.floats(node, 0)}, Order::plain);
  return {};
}

Reason lower_norm(Lowering& lowering, const Node& node, RowsFunction function) {
  if (!is_float(lowering, node)) return "";
  if (std::string why = norm_refuses(lowering, node); !why.empty()) return why;
  std::vector<BufferId> reads = {lowering.floats(node, 0)};
  const std::vector<BufferId> parameters = norm_parameters(lowering, node);
  reads.insert(reads.end(), parameters.begin(), parameters.end());
  const RowsArgs args{.length = lowering.known(node.input(0))->dim(-1), .epsilon = norm_epsilon(node)};
  add_step(lowering, node, function, args, reads, Order::plain);
  return {};
}

Reason lower_layer_norm(Lowering& lowering, const Node& node) { return lower_norm(lowering, node, RowsFunction::layer_norm); }
Reason lower_rms_norm(Lowering& lowering, const Node& node) { return lower_norm(lowering, node, RowsFunction::rms_norm); }

const LoweringRule kRules[] = {{"Sigmoid", lower_activation, Stage::float_kernels},
                               {"Tanh", lower_activation, Stage::float_kernels},
                               {"Swish", lower_activation, Stage::float_kernels},
                               {"Gelu", lower_activation, Stage::float_kernels},
                               {"Softmax", lower_softmax, Stage::float_kernels},
                               {"LayerNormalization", lower_layer_norm, Stage::float_kernels},
                               {"RMSNormalization", lower_rms_norm, Stage::float_kernels}};

}  // namespace

std::span<const LoweringRule> lowerings_rows() { return kRules; }

}  // namespace bitwright
