// Dynamic quantization: activations become codes at run time, by the range of each input (per tensor or per row), weights
// are codes already. What ONNX writes as DynamicQuantizeLinear, MatMulInteger, Cast, Mul and Add. All products of one input
// are one step, with the float operators that follow each of them.
// (The name sorts before "matmul", which wants activations with a grid.)
#include "runtime/dynamic.hpp"
#include "runtime/dynamic_products.hpp"
#include "runtime/linear.hpp"
#include "runtime/ranges.hpp"
#include "runtime/rows.hpp"

namespace bitwright {
namespace {

/// A product and what follows it, as far as its step can do that. `bias` is the Add's constant.
struct Chain {
  const Node* product = nullptr;
  ProductShape shape;
  Linear linear;
  const Tensor* bias = nullptr;
  std::optional<RowsFunction> activation;
  ValueId residual = ValueId::none;
  const Node* norm = nullptr;
  bool sums = false;
  ValueId value = ValueId::none;  // where the step leaves the result
  std::vector<const Node*> absorbed;

  int64_t macs() const { return shape.m * shape.n * shape.k; }
};

const Entry* run_time_entry(const Lowering& lowering, const Node& node) {
  const Entry* entry = node.is("MatMul") || node.is("Gemm") ? lowering.input_entry(node, 0) : nullptr;
  return is_at_run(entry) ? entry : nullptr;
}

/// Why the node is no product that a dynamic step computes; empty: it is, and `chain` begins with it.
std::string begin(const Lowering& lowering, const Node& node, Chain& chain) {
  chain.product = &node;
  chain.value = node.output();
  chain.shape = product_shape(lowering, node);
  if (!chain.shape.reason.empty()) return chain.shape.reason;
  Linear& linear = chain.linear;
  linear.channels = chain.shape.n;
  linear.src = {.type = DType::u8};
  if (std::string reason = read_weights(lowering, node, 1, chain.shape.axis, linear); !reason.empty()) return reason;
  if (linear.weights.dtype() != DType::i8) return "its weights are wider than 8 bits";
  const bool has_bias = node.is("Gemm") && node.input(2) != ValueId::none;
  chain.bias = has_bias ? lowering.constant(node.input(2)) : nullptr;
  if (has_bias && (!chain.bias || chain.bias->elements() != chain.shape.n)) return "its bias is not one constant per output";
  return {};
}

/// The float operator that alone reads the chain's value and gives the same shape.
const Node* next(const Lowering& lowering, const Chain& chain) {
  const Node* reader = lowering.output_entry(chain.value) ? nullptr : lowering.only_reader(chain.value);
  if (!reader || reader->outputs.size() != 1 || !lowering.known(reader->output())) return nullptr;
  for (size_t i = 0; i < reader->inputs.size(); ++i)
    if (lowering.input_entry(*reader, i) || (reader->inputs[i] != ValueId::none && !lowering.known(reader->inputs[i]))) return nullptr;
  return lowering.known(reader->output())->shape() == lowering.known(chain.value)->shape() ? reader : nullptr;
}

bool follow_add(const Lowering& lowering, const Node& reader, Chain& chain) {
  const ValueId other = reader.input(reader.input(0) == chain.value ? 1 : 0);
  const Tensor* values = lowering.known(other);
  if (!values || values->dtype() != DType::f32 || other == chain.value || chain.sums) return false;
  const bool per_channel = values->elements() == chain.shape.n && values->rank() > 0 && values->dim(-1) == chain.shape.n;
  if (per_channel && lowering.constant(other) && !chain.bias && !chain.activation && !lowering.output_entry(other)) {
    chain.bias = lowering.constant(other);
    return true;
  }
  if (values->shape() != lowering.known(chain.value)->shape() || (!lowering.exists(other) && !lowering.constant(other))) return false;
  chain.sums = true;
  chain.residual = other;
  return true;
}

bool follow_one(const Lowering& lowering, const Node& reader, Chain& chain) {
  if (reader.is("Add")) return follow_add(lowering, reader, chain);
  if (const auto function = activation_of(reader); function && !chain.activation && !chain.sums) {
    chain.activation = function;
    return true;
  }
  if (!reader.is("LayerNormalization") || !norm_refuses(lowering, reader).empty()) return false;
  chain.norm = &reader;
  return true;
}

void follow(const Lowering& lowering, Chain& chain) {
  const Shape& y = lowering.known(chain.value)->shape();
  if (y.empty() || y.back() != chain.shape.n) return;
  while (!chain.norm) {
    const Node* reader = next(lowering, chain);
    if (!reader || !follow_one(lowering, *reader, chain)) return;
    chain.absorbed.push_back(reader);
    chain.value = reader->output();
  }
}

/// The products of the same codes, `first` the one that is lowered now.
std::vector<Chain> products_of(const Lowering& lowering, const Chain& first, bool per_row) {
  std::vector<Chain> all = {first};
  for (const Use& use : lowering.uses().of(first.product->input(0))) {
    const int64_t at = use.nested || use.node == NodeId::none || use.index != 0 ? -1 : lowering.uses().position(use.node);
    if (at < 0) continue;
    const Node& node = lowering.graph().nodes[static_cast<size_t>(at)];
    const Entry* entry = run_time_entry(lowering, node);
    if (!entry || entry->per_row != per_row || node.id == first.product->id || lowering.exists(node.output())) continue;
    Chain chain;
    if (!lowering.known(node.input(1)) || !lowering.known(node.output()) || !begin(lowering, node, chain).empty()) continue;
    all.push_back(std::move(chain));
  }
  return all;
}

std::string problem_of(const Chain& chain) { return matmul_problem(chain.shape.m, chain.shape.k, chain.shape.n, DType::f32); }

DynamicProduct make_product(Lowering& lowering, const Chain& chain, DynamicProductsStep& step) {
  const ProductShape& p = chain.shape;
  DynamicProduct made;
  made.weights = lowering.shared(*chain.product, chain.bias ? "dynamic product, bias" : "dynamic product", [&] {
    return DynamicWeights{{chain.linear.weight_codes(p.trans_b ? 1 : p.n, p.trans_b ? p.k : 1), p.k, p.n, kDynamicCodes, DType::u8,
                           DType::f32, lowering.wish(problem_of(chain))}, with_slack(chain.linear.weight_scale), slack_floats(chain.bias)};
  });
  const auto reads = [&](BufferId id) { return step.reads.push_back(id), id; };
  const auto rows = [&](RowsFunction function) { return select_rows(function, lowering.options().isa).kernel; };
  if (chain.activation) made.activation = rows(*chain.activation);
  if (chain.sums) {
    made.rows = rows(RowsFunction::add);
    made.residual = reads(lowering.plain_floats(chain.residual));
  }
  if (chain.norm) {
    made.rows = rows(RowsFunction::layer_norm);
    const std::vector<BufferId> parameters = norm_parameters(lowering, *chain.norm);
    made.norm_scale = reads(parameters[0]);
    if (parameters.size() > 1) made.norm_bias = reads(parameters[1]);
    made.epsilon = norm_epsilon(*chain.norm);
  }
  made.range = make_range(lowering, chain.value);
  if (made.range != kNoBuffer) step.writes.push_back(made.range);
  made.out = lowering.make(DType::f32, lowering.known(chain.value)->shape());
  step.writes.push_back(made.out);
  return made;
}

/// What `bench` and `inspect` show.
void describe(const std::vector<Chain>& chains, DynamicProductsStep& step) {
  step.info.node = chains[0].product->id;
  step.info.kernel = step.products[0].weights->weights.row().name;
  step.info.notes = step.products[0].weights->weights.refused();
  step.info.integer = true;
  step.info.problem = problem_of(chains[0]), step.info.others = step.products[0].weights->weights.others();
  for (const Chain& chain : chains) {
    step.info.name += (step.info.name.empty() ? "" : ", ") + display_name(*chain.product);
    for (const Node* node : chain.absorbed) step.info.name += " + " + node->op;
    step.info.macs += chain.macs();
  }
  for (const DynamicProduct& product : step.products) step.constant_bytes += product.weights->weights.bytes();
}

Reason lower_dynamic(Lowering& lowering, const Node& node) {
  const Entry* entry = run_time_entry(lowering, node);
  if (!entry) return "";
  Chain first;
  if (std::string reason = begin(lowering, node, first); !reason.empty()) return reason;
  std::vector<Chain> chains = products_of(lowering, first, entry->per_row);
  for (Chain& chain : chains) follow(lowering, chain);

  auto step = std::make_unique<DynamicProductsStep>();
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  step->m = first.shape.m, step->k = first.shape.k;
  step->per_row = entry->per_row;
  step->range = select_elementwise(elementwise_kernels().range, true, isa).row->kernel;
  step->quantize = select_elementwise(elementwise_kernels().quantize, true, isa).row->kernel;
  step->src = lowering.before_entry(node, 0, Order::plain);
  step->src_range = entry->per_row ? kNoBuffer : lowering.range(node.input(0));
  step->reads = {step->src};
  if (step->src_range != kNoBuffer) step->reads.push_back(step->src_range);
  const int64_t parameters = entry->per_row ? step->m : 1;
  step->codes = lowering.make(DType::u8, lowering.known(node.input(0))->shape());
  step->scale = lowering.make(DType::f32, {parameters});
  step->zero = lowering.make(DType::i32, {parameters});
  step->writes = {step->codes, step->scale, step->zero};
  for (const Chain& chain : chains) step->products.push_back(make_product(lowering, chain, *step));
  describe(chains, *step);
  const std::vector<DynamicProduct> products = lowering.add(std::move(step)).products;
  for (size_t i = 0; i < chains.size(); ++i) {
    lowering.absorb(chains[i].product->id);
    for (const Node* absorbed : chains[i].absorbed) lowering.absorb(absorbed->id);
    lowering.define_raw(chains[i].value, products[i].out);
  }
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_dynamic}, {"Gemm", lower_dynamic}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_matmul() { return kRules; }

}  // namespace bitwright
