#include "ops/op.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace bitwright {

#define BW_ITEM(stem) std::span<const Op> ops_##stem();
#include "ops_catalogue.inc"
#undef BW_ITEM

namespace {

using Key = std::pair<std::string_view, std::string_view>;

struct KeyHash {
  size_t operator()(const Key& key) const {
    return std::hash<std::string_view>()(key.second) * 31 + std::hash<std::string_view>()(key.first);
  }
};

const std::unordered_map<Key, const Op*, KeyHash>& catalogue() {
  static const auto table = [] {
    std::unordered_map<Key, const Op*, KeyHash> made;
    auto add = [&](std::span<const Op> ops) {
      for (const Op& op : ops) BW_CHECK(made.emplace(Key{op.domain, op.name}, &op).second);
    };
#define BW_ITEM(stem) add(ops_##stem());
#include "ops_catalogue.inc"
#undef BW_ITEM
    return made;
  }();
  return table;
}

const Op& checked_op(const Node& node, size_t input_count) {
  const Op* op = find_op(node.domain, node.op);
  if (!op || !op->run) fail(ErrorCode::unsupported, display_name(node), ": this operator is not supported");
  const auto inputs = static_cast<int>(input_count), outputs = static_cast<int>(node.outputs.size());
  if (inputs < op->min_inputs || (op->max_inputs >= 0 && inputs > op->max_inputs))
    fail(ErrorCode::malformed, display_name(node), ": has ", inputs, " inputs, wanted ", op->min_inputs,
         op->max_inputs < 0 ? " or more" : str(" to ", op->max_inputs));
  if (outputs < op->min_outputs || (op->max_outputs >= 0 && outputs > op->max_outputs))
    fail(ErrorCode::malformed, display_name(node), ": has ", outputs, " outputs, wanted ", op->min_outputs,
         op->max_outputs < 0 ? " or more" : str(" to ", op->max_outputs));
  return *op;
}

}  // namespace

const Op* find_op(std::string_view domain, std::string_view name) {
  if (domain == "ai.onnx") domain = "";
  const auto at = catalogue().find({domain, name});
  return at == catalogue().end() ? nullptr : at->second;
}

std::vector<const Op*> all_ops() {
  std::vector<const Op*> ops;
  for (const auto& [key, op] : catalogue()) ops.push_back(op);
  std::sort(ops.begin(), ops.end(), [](const Op* a, const Op* b) {
    return std::pair(a->domain, a->name) < std::pair(b->domain, b->name);
  });
  return ops;
}

const Tensor& OpContext::input(size_t i) const {
  if (!has(i)) malformed(str("input ", i, " is left out"));
  return inputs_[i];
}

const Tensor& OpContext::data(size_t i) const {
  const Tensor& tensor = input(i);
  if (!tensor.has_data()) {
    BW_CHECK(shape_only_);
    throw DataNeeded();
  }
  return tensor;
}

Tensor& OpContext::output(size_t i, DType type, Shape shape) {
  if (i >= outputs_.size()) outputs_.resize(i + 1);
  if (shape_only_) {
    outputs_[i] = Tensor::described(type, std::move(shape));
  } else if (i < prepared.size() && prepared[i].has_data()) {
    BW_CHECK(prepared[i].dtype() == type && prepared[i].shape() == shape);
    outputs_[i] = prepared[i];
  } else {
    outputs_[i] = Tensor(type, std::move(shape));
  }
  return outputs_[i];
}

void OpContext::forward(size_t i, const Tensor& tensor) {
  if (i >= outputs_.size()) outputs_.resize(i + 1);
  if (shape_only_ || i >= prepared.size() || !prepared[i].has_data()) {
    outputs_[i] = tensor;
    return;
  }
  Tensor& out = output(i, tensor.dtype(), tensor.shape());
  if (out.dtype() == DType::string) {
    std::copy(tensor.strings().begin(), tensor.strings().end(), out.strings().begin());
  } else if (out.bytes() > 0 && out.raw() != tensor.raw()) {
    std::memmove(out.raw(), tensor.raw(), out.bytes());
  }
}

void OpContext::parallel(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> f) const {
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count + grain - 1) / grain;
  auto chunk = [&](int64_t c) { f(c * grain, std::min(count, (c + 1) * grain)); };
  if (threads_) return threads_->run(chunks, chunk);
  for (int64_t c = 0; c < chunks; ++c) chunk(c);
}

void OpContext::malformed(std::string_view what) const {
  fail(ErrorCode::malformed, display_name(node_), ": ", what);
}

void OpContext::unsupported(std::string_view what) const {
  fail(ErrorCode::unsupported, display_name(node_), ": ", what);
}

void UpgradeContext::attribute_to_input(const std::string& key, size_t index) {
  const auto at = node.attributes.find(key);
  if (at == node.attributes.end()) return;
  const std::vector<int64_t> values = node.attr_ints(key);
  node.attributes.erase(at);
  if (node.inputs.size() <= index) node.inputs.resize(index + 1, ValueId::none);
  node.inputs[index] = constant(key, Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
}

ValueId UpgradeContext::constant(const std::string& suffix, Tensor tensor) {
  return graph.add_constant(str(node.name.empty() ? node.op : node.name, ".", suffix), std::move(tensor));
}

void run_operator(const Op& op, OpContext& context) {
  try {
    op.run(context);
  } catch (const WrongElementType& e) {
    context.malformed(e.what());
  } catch (const Error& e) {  // a tensor does not know whose it is
    if (e.code() == ErrorCode::cancelled || std::string_view(e.what()).substr(0, 5) == "node ") throw;
    throw e.within(display_name(context.node()));
  }
}

bool infer_outputs(const Node& node, std::span<const Tensor> inputs, std::vector<Tensor>& outputs) {
  const Op& op = checked_op(node, inputs.size());
  OpContext context(node, inputs, true);
  try {
    run_operator(op, context);
  } catch (const DataNeeded&) {
    return false;
  }
  outputs = context.take_outputs();
  outputs.resize(node.outputs.size());
  return true;
}

std::vector<Tensor> evaluate(const Node& node, std::span<const Tensor> inputs, Threads* threads,
                             const RunNested& run_nested) {
  const Op& op = checked_op(node, inputs.size());
  OpContext context(node, inputs, false, threads);
  context.run_nested = run_nested;
  run_operator(op, context);
  auto outputs = context.take_outputs();
  outputs.resize(node.outputs.size());
  return outputs;
}

std::vector<Tensor> interpret(const Graph& graph, std::span<const Tensor> inputs, Threads* threads,
                              const std::function<Tensor(ValueId)>& outer) {
  std::unordered_map<ValueId, Tensor> held;
  if (inputs.size() > graph.inputs.size())
    fail(ErrorCode::mismatch, "graph '", graph.name, "' takes ", graph.inputs.size(), " inputs, got ", inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) held[graph.inputs[i]] = inputs[i];
  std::function<Tensor(ValueId)> get = [&](ValueId id) -> Tensor {
    if (id == ValueId::none) return {};
    if (const auto at = held.find(id); at != held.end()) return at->second;
    if (const Tensor* constant = graph.constant(id)) return *constant;
    BW_CHECK(outer);
    return outer(id);
  };
  const RunNested nested = [&](const Graph& inner, std::span<const Tensor> args) {
    return interpret(inner, args, threads, get);
  };
  for (const Node& node : graph.nodes) {
    std::vector<Tensor> args;
    for (const ValueId id : node.inputs) args.push_back(get(id));
    const auto results = evaluate(node, args, threads, nested);
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != ValueId::none) held[node.outputs[i]] = results[i];
  }
  std::vector<Tensor> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(get(id));
  return outputs;
}

int64_t normal_axis(const OpContext& c, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) c.malformed(str("axis ", axis, " is outside a tensor of rank ", rank));
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const OpContext& c, std::span<const int64_t> a, std::span<const int64_t> b) {
  Shape out(std::max(a.size(), b.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      c.malformed(str("shapes ", to_string(a), " and ", to_string(b), " do not broadcast"));
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace bitwright
