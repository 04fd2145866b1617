// Any function of one 8-bit tensor is a table of 256 codes, filled at compile time by the operator itself: activations,
// and the change from one 8-bit grid to another.
#include "runtime/followers.hpp"

namespace bitwright {
namespace {

class LookupStep : public Step {
 public:
  CodeTable table{};
  ElementwiseKernel<LookupArgs> kernel = nullptr;

  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    const LookupArgs args{reinterpret_cast<const uint8_t*>(src.raw()), reinterpret_cast<uint8_t*>(context.at(writes[0]).raw()),
                          table.data()};
    constexpr int64_t kLeast = 1 << 15;
    context.spread(src.elements(), kLeast, [&](int64_t begin, int64_t end, std::byte*) { kernel(args, begin, end); });
  }
};

Reason lower_table(Lowering& lowering, const Node& node) {
  const auto table = code_table(lowering, node);
  if (const auto* reason = std::get_if<std::string>(&table)) return *reason;
  auto step = std::make_unique<LookupStep>();
  step->table = std::get<CodeTable>(table);
  const auto choice = select_elementwise(elementwise_kernels().lookup, true, lowering.options().isa);
  step->kernel = choice.row->kernel;
  const Tensor& y = *lowering.known(node.output());
  const Order order = lowering.prefers_channels_last(node, 0) ? Order::channels_last : Order::plain;
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = choice.row->name;
  step->reads = {lowering.codes(node, 0, order)};
  step->in_place = {0};
  const BufferId out = lowering.make(DType::u8, order == Order::plain ? y.shape() : channels_last_shape(y.shape()));
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_codes(node.output(), out, order);
  return {};
}

const LoweringRule kRules[] = {{"*", lower_table}};

}  // namespace

std::variant<CodeTable, std::string> code_table(const Lowering& lowering, const Node& node) {
  const Op* op = find_op(node.domain, node.op);
  const bool elementwise = op && (op->quant.kind == QuantRule::Kind::table || op->quant.kind == QuantRule::Kind::fixed);
  if (!elementwise || node.outputs.size() != 1 || node.is("Softmax") || node.is("LogSoftmax")) return "";
  const auto src = lowering.input_grid(node, 0), dst = lowering.output_grid(node.output());
  if (!src) return "its input is float";
  if (!dst) return "its result is float";
  if (src->type != DType::u8 || dst->type != DType::u8) return "wider than 8 bits: no table";
  // The operator on every code; other inputs must be constants that broadcast over a list of values.
  std::vector<Tensor> inputs = {Tensor(DType::f32, {256})};
  for (int32_t code = 0; code < 256; ++code)
    inputs[0].values<float>()[static_cast<size_t>(code)] = static_cast<float>(code - src->zero) * src->scale;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const Tensor* constant = node.inputs[i] == ValueId::none ? nullptr : lowering.constant(node.inputs[i]);
    if (node.inputs[i] != ValueId::none && (!constant || constant->elements() != 1))
      return str("input ", i, " is not one constant number");
    inputs.push_back(constant ? constant->reshaped({}) : Tensor());
  }
  const std::vector<Tensor> values = evaluate(node, inputs);
  if (values[0].elements() != 256) return "";
  CodeTable table{};
  for (size_t i = 0; i < 256; ++i) table[i] = static_cast<uint8_t>(dst->code(values[0].values<float>()[i]));
  return table;
}

std::span<const LoweringRule> lowerings_table() { return kRules; }

}  // namespace bitwright
