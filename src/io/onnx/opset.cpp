#include "io/onnx/opset.hpp"

#include <algorithm>

#include "ops/infer.hpp"

namespace bitwright::onnx {
namespace {

constexpr int kLeastOpset = 7, kUsualOpset = 13, kMostOpset = 25;

/// Lowest opset of which this type is an element (spec of ONNX, "Versioning", and QuantizeLinear's history).
int least_opset(DType type) {
  switch (type) {
    case DType::f8e4m3fn: case DType::f8e4m3fnuz: case DType::f8e5m2: case DType::f8e5m2fnuz: return 19;
    case DType::i4: case DType::u4: return 21;
    case DType::f4e2m1: return 23;
    case DType::f8e8m0: return 24;
    case DType::i2: case DType::u2: return 25;
    default: return 7;
  }
}

bool is_quantize_op(const Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); }

/// The lowest opset of a node, and what in it asks for that (empty: the operator itself).
struct Need {
  int opset = kLeastOpset;
  std::string what;
  void raise(int to, std::string why = {}) {
    if (to > opset) opset = to, what = std::move(why);
  }
};

void need_of_quantize(const Graph& graph, const Node& node, Need& need) {
  need.raise(10);
  if (node.has_attr("axis")) need.raise(13, "scales per channel");
  if (node.has_attr("saturate")) need.raise(19);
  for (const ValueId id : node.inputs) {
    if (!graph.has_value(id)) continue;
    const DType type = graph.value(id).dtype;
    if (type == DType::f16 || type == DType::bf16) need.raise(19, str(name_of(type), " scales"));
    if (type == DType::i16 || type == DType::u16) need.raise(21, str(name_of(type), " codes"));
  }
  if (node.attr_int("block_size", 0) > 0) need.raise(21, "scales per block");
  if (node.has_attr("output_dtype")) need.raise(21, "attribute 'output_dtype'");
  if (node.has_attr("precision")) need.raise(23, "attribute 'precision'");
}

bool is_narrow(DType type) { return is_integer(type) && bits_of(type) < 32; }

/// Operators that took more types of their first input later (onnx.defs, history of the type constraints).
struct TypeNeed {
  std::string_view op;
  bool (*holds)(DType);
  int opset;
};
constexpr TypeNeed kTypeNeeds[] = {
    {"Add", is_narrow, 14},     {"Sub", is_narrow, 14},      {"Mul", is_narrow, 14},       {"Div", is_narrow, 14},
    {"Relu", is_integer, 14},   {"MaxPool", is_narrow, 12},  {"ReduceMax", is_narrow, 12}, {"ReduceMin", is_narrow, 12},
    {"Clip", is_integer, 12},   {"Max", is_integer, 12},     {"Min", is_integer, 12},      {"Pow", is_integer, 12},
    {"Equal", is_float, 11},    {"Equal", is_narrow, 11},    {"Pad", is_integer, 11},      {"TopK", is_integer, 11},
    {"Flatten", is_integer, 9}, {"Gemm", is_integer, 9},     {"MatMul", is_integer, 9},    {"Less", is_integer, 9},
    {"Greater", is_integer, 9}, {"PRelu", is_integer, 9}};

Need need_of(const Graph& graph, const Node& node, const Model& model) {
  Need need;
  for (const ValueId id : node.inputs)
    if (id != ValueId::none && graph.has_value(id))
      need.raise(least_opset(graph.value(id).dtype), str(name_of(graph.value(id).dtype), " tensors"));
  if (!node.domain.empty()) return need;
  const DType first = graph.has_value(node.input(0)) ? graph.value(node.input(0)).dtype : DType::none;
  for (const TypeNeed& row : kTypeNeeds)
    if (row.op == node.op && row.holds(first)) need.raise(row.opset, str(name_of(first), " inputs"));
  if (is_quantize_op(node)) {
    need_of_quantize(graph, node, need);
  } else if (const Op* op = find_op("", node.op)) {
    if (!op->downgrade) need.raise(op->since);
  } else if (const auto at = model.info.opsets.find(""); at != model.info.opsets.end()) {
    need.raise(static_cast<int>(at->second));  // an operator we do not know keeps the opset it came with
  }
  return need;
}

int choose_opset(const Model& model, const Graph& graph, std::optional<int> asked) {
  if (asked && (*asked < kLeastOpset || *asked > kMostOpset))
    fail(ErrorCode::usage, "opset ", *asked, " cannot be written, only ", kLeastOpset, " to ", kMostOpset);
  int opset = asked ? *asked : kUsualOpset;
  for_each_node(graph, [&](const Graph& scope, const Node& node) {
    const Need need = need_of(scope, node, model);
    if (asked && need.opset > *asked)
      fail(ErrorCode::unsupported, display_name(node), ": ", need.what.empty() ? "needs" : need.what + " need", " opset ", need.opset,
           ", asked for ", *asked);
    opset = std::max(opset, need.opset);
  });
  return std::min(opset, kMostOpset);
}

/// Axes counted from the end came with opset 11; they are counted from the front where the rank is known.
void count_axes_from_front(const Graph& graph, Node& node) {
  const ValueId id = node.input(0);
  if (!node.domain.empty() || id == ValueId::none || !graph.has_value(id) || !graph.value(id).has_shape) return;
  const auto axes = node.attributes.find("axes"), axis = node.attributes.find("axis");
  auto* many = axes == node.attributes.end() ? nullptr : std::get_if<std::vector<int64_t>>(&axes->second);
  auto* one = axis == node.attributes.end() ? nullptr : std::get_if<int64_t>(&axis->second);
  const int64_t rank = std::ssize(graph.value(id).shape) + (node.is("Unsqueeze") && many ? std::ssize(*many) : 0);
  if (one && *one < 0) *one += rank;
  for (size_t i = 0; many && i < many->size(); ++i)
    if ((*many)[i] < 0) (*many)[i] += rank;
}

/// Brings nodes into the forms of one opset. A node that has none stops it: `refused` says which, and `needs` the opset
/// in which it would be legal.
class Lowering {
 public:
  explicit Lowering(int opset) : opset_(opset) {}
  std::string refused;
  int needs = 0;

  bool run(Graph& graph) {
    std::deque<Node> nodes = std::move(graph.nodes), out;
    graph.nodes.clear();
    for (Node& node : nodes)
      if (!add(graph, std::move(node), out, 0)) return false;
    graph.nodes = std::move(out);
    for (Node& node : graph.nodes)
      if (opset_ < 11) count_axes_from_front(graph, node);
    return true;
  }

 private:
  static constexpr int kMostSteps = 4;  // of rewriting a node into nodes that are rewritten in turn
  int opset_;

  bool add(Graph& graph, Node node, std::deque<Node>& out, int steps) {
    bool fine = true;
    for_each_nested(node, [&](Graph& nested) { fine = fine && run(nested); });
    const Op* op = find_op(node.domain, node.op);
    const bool ours = node.domain == "bitwright";
    const bool known = op && (ours || node.domain.empty()) && !is_quantize_op(node);
    if (!fine || (!ours && (!known || op->since <= opset_))) {
      out.push_back(std::move(node));
      return fine;
    }
    const std::string before_op = node.op;
    std::vector<Node> before, after;
    UpgradeContext context{graph, node, opset_, before, after};
    if (steps > kMostSteps || !op || !op->downgrade || !op->downgrade(context)) {
      refused = display_name(node);
      needs = ours || !op ? 0 : op->since;
      return false;
    }
    for (Node& n : before)
      if (!add(graph, std::move(n), out, steps + 1)) return false;
    if (node.op == before_op && !ours) {
      out.push_back(std::move(node));
    } else if (!add(graph, std::move(node), out, steps + 1)) {
      return false;
    }
    for (Node& n : after)
      if (!add(graph, std::move(n), out, steps + 1)) return false;
    return true;
  }
};

}  // namespace

int64_t ir_version_of(int opset) {
  struct Row { int opset, ir; };  // onnx.helper.VERSION_TABLE
  constexpr Row kTable[] = {{25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9}, {15, 8}, {12, 7}, {11, 6}, {10, 5}, {9, 4}};
  for (const Row& row : kTable)
    if (opset >= row.opset) return row.ir;
  return 4;  // the first in which initializers need not be inputs
}

Graph lowered(const Model& model, std::optional<int> asked, int& opset) {
  Graph complete = model.graph.clone();
  if (asked && *asked < kUsualOpset) infer_shapes(complete);  // old forms want types and ranks: of axes, of what broadcasts
  opset = choose_opset(model, complete, asked);
  for (;;) {
    Graph graph = complete.clone();
    Lowering lowering(opset);
    if (lowering.run(graph)) return graph;
    if (asked || lowering.needs <= opset)
      fail(ErrorCode::unsupported, lowering.refused, ": has no form in ONNX opset ", opset);
    opset = lowering.needs;
  }
}

}  // namespace bitwright::onnx
