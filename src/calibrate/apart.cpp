#include "calibrate/apart.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "ops/infer.hpp"

namespace bitwright {
namespace {

/// What the largest value takes while some records are run: about what the caches of one core hold.
constexpr int64_t kBytesTogether = int64_t{4} << 20;

bool lies_by_record(const Graph& graph, size_t input, const Tensor& given, int64_t records) {
  const Value& value = graph.value(graph.inputs[input]);
  return value.has_shape && !value.shape.empty() && value.shape[0] < 0 && given.rank() > 0 && given.dim(0) == records;
}

/// Operators that compute each record by itself as long as the first axis keeps its place.
bool is_by_record(const Node& node, const Op& op, int64_t rank) {
  static const std::set<std::string_view> plain = {
      "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
      "InstanceNormalization", "GroupNormalization", "LRN", "Resize", "DepthToSpace", "SpaceToDepth", "Pad", "Reshape", "Unsqueeze",
      "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "Where", "Equal", "Less", "Greater", "And", "Or", "Not", "Cast", "Identity",
      "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "PRelu", "Clip"};
  static const std::map<std::string_view, int64_t> along = {{"Softmax", -1}, {"LogSoftmax", -1}, {"LayerNormalization", -1}, {"RMSNormalization", -1},
                                                            {"Concat", 0}, {"Split", 0}, {"Flatten", 1}};
  if (!node.domain.empty() || node.attr_int("training_mode", 0) != 0) return false;
  if (node.is("Squeeze")) return node.input(1) != ValueId::none;  // else one record loses its axis
  if (node.is("Transpose")) {
    const auto perm = node.attr_ints("perm");
    return !perm.empty() && perm[0] == 0;
  }
  if (const auto at = along.find(node.op); at != along.end()) {
    const int64_t axis = node.attr_int("axis", at->second);
    return axis != 0 && axis != -rank;
  }
  using Kind = QuantRule::Kind;
  return plain.count(node.op) != 0 || op.quant.kind == Kind::table || op.quant.kind == Kind::fixed;
}

/// Shapes with two and with three records side by side.
class Walk {
 public:
  Walk(const Graph& graph, std::span<const Tensor> inputs, int64_t records)
      : graph_(graph), two_(with(inputs, records, 2)), three_(with(inputs, records, 3)) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!lies_by_record(graph, i, inputs[i], records)) continue;
      by_record_.insert(graph.inputs[i]);
      symbols_.insert(graph.value(graph.inputs[i]).shape[0]);
      note(graph.inputs[i]);
    }
  }

  /// Bytes that the largest value has per record; 0: records do not lie apart.
  int64_t largest() {
    if (symbols_.size() != 1) return 0;
    for (const Node& node : graph_.nodes) {
      two_.walk.add(node), three_.walk.add(node);
      if (!follows(node)) return 0;
    }
    return largest_;
  }

 private:
  struct Shapes {
    Graph graph;
    ShapeWalk walk;
    explicit Shapes(Graph g) : graph(std::move(g)), walk(graph) {}
    Shapes(const Shapes&) = delete;
    Shapes& operator=(const Shapes&) = delete;
  };

  Shapes with(std::span<const Tensor> inputs, int64_t records, int64_t count) const {
    Graph graph = graph_.clone();
    for (size_t i = 0; i < inputs.size(); ++i) {
      Value& value = graph.value(graph.inputs[i]);
      const bool apart = lies_by_record(graph_, i, inputs[i], records);
      value.has_shape = true, value.shape = inputs[i].shape(), value.dtype = inputs[i].dtype();
      if (apart) value.shape[0] = count;
    }
    return Shapes(std::move(graph));
  }

  /// Whether the value has the records along its first axis and nowhere else.
  bool note(ValueId id) {
    const Tensor *a = two_.walk.find(id), *b = three_.walk.find(id);
    if (!a || !b || a->rank() == 0 || a->rank() != b->rank() || a->dim(0) % 2 != 0 || a->dim(0) / 2 * 3 != b->dim(0)) return false;
    if (!std::equal(a->shape().begin() + 1, a->shape().end(), b->shape().begin() + 1)) return false;
    largest_ = std::max(largest_, static_cast<int64_t>(a->bytes()) / 2);
    return true;
  }

  /// Depends neither on the data nor on how many records there are.
  bool is_same(ValueId id) const {
    if (graph_.has_value(id) && graph_.constant(id)) return true;  // weights are not read
    const Tensor *a = two_.walk.find(id), *b = three_.walk.find(id);
    return a && b && a->shape() == b->shape() && a->has_data() == b->has_data() && (!a->has_data() || identical(*a, *b));
  }

  bool follows(const Node& node) {
    for (const auto& [key, attribute] : node.attributes)
      if (std::holds_alternative<std::shared_ptr<Graph>>(attribute)) return false;
    const auto by_record = [&](ValueId id) { return by_record_.count(id) != 0; };
    if (std::none_of(node.inputs.begin(), node.inputs.end(), by_record) || node.is("Shape") || node.is("Size")) return true;
    const Op* op = find_op(node.domain, node.op);
    const Tensor* x = two_.walk.find(node.input(0));
    if (!op || !x || !(is_by_record(node, *op, x->rank()) || is_product(node) || is_lookup(node))) return false;
    const bool shaped = node.is("Reshape");  // by its second input, which says how many records there are
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (const ValueId id = node.inputs[i]; id != ValueId::none && !by_record(id) && !(shaped && i == 1) && !is_same(id)) return false;
    for (const ValueId id : node.outputs) {
      if (id == ValueId::none) continue;
      if (!note(id)) return false;
      by_record_.insert(id);
    }
    return true;
  }

  /// Rows or stacks of matrices times a matrix that is the same for all, or stack by stack.
  bool is_product(const Node& node) const {
    if (node.is("Gemm")) return node.attr_int("transA", 0) == 0 && by_record_.count(node.input(0)) != 0 && by_record_.count(node.input(1)) == 0;
    if (!node.is("MatMul")) return false;
    const Tensor *a = two_.walk.find(node.input(0)), *b = two_.walk.find(node.input(1));
    const bool second = by_record_.count(node.input(1)) != 0;
    return a && b && a->rank() >= 2 && (!second || (a->rank() == b->rank() && b->rank() >= 3));
  }

  /// Rows of a table that is the same for all.
  bool is_lookup(const Node& node) const {
    return node.is("Gather") && by_record_.count(node.input(0)) == 0 && node.attr_int("axis", 0) == 0;
  }

  const Graph& graph_;
  Shapes two_, three_;
  std::set<ValueId> by_record_;
  std::set<int64_t> symbols_;  // of the first extents of inputs by record
  int64_t largest_ = 0;
};

}  // namespace

int64_t records_together(const Graph& graph, std::span<const Tensor> inputs, int64_t records) {
  const auto is_text = [](const Tensor& t) { return t.dtype() == DType::string; };
  if (records < 2 || !graph.state.empty() || inputs.size() != graph.inputs.size() || std::any_of(inputs.begin(), inputs.end(), is_text))
    return records;
  const int64_t largest = Walk(graph, inputs, records).largest();
  return largest == 0 ? records : std::clamp<int64_t>(kBytesTogether / largest, 1, records);
}

std::vector<Tensor> records_of(const Graph& graph, std::span<const Tensor> inputs, int64_t records, int64_t first, int64_t count) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& whole = inputs[i];
    parts.push_back(whole);
    if (!lies_by_record(graph, i, whole, records) || whole.bytes() == 0) continue;
    Shape shape = whole.shape();
    shape[0] = count;
    parts.back() = Tensor::view(whole.dtype(), std::move(shape), whole.raw() + static_cast<size_t>(first) * (whole.bytes() / static_cast<size_t>(records)));
  }
  return parts;
}

}  // namespace bitwright
