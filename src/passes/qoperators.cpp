#include "passes/qoperators.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "ops/op.hpp"

namespace bitwright {
namespace {

constexpr std::string_view kMicrosoft = "com.microsoft";

constexpr QOperator kTable[] = {
    {"QLinearConv", "", "Conv", "xwyb", "auto_pad dilations group kernel_shape pads strides"},
    {"QLinearMatMul", "", "MatMul", "xwy", ""},
    {"QGemm", kMicrosoft, "Gemm", "xwbY", "alpha transA transB"},
    {"QLinearAdd", kMicrosoft, "Add", "xxy", ""},
    {"QLinearMul", kMicrosoft, "Mul", "xxy", ""},
    {"QLinearConcat", kMicrosoft, "Concat", "yx*", "axis"},
    {"QLinearGlobalAveragePool", kMicrosoft, "GlobalAveragePool", "xy", ""},
    {"QLinearAveragePool", kMicrosoft, "AveragePool", "xy",
     "auto_pad ceil_mode count_include_pad kernel_shape pads strides"},
    {"QLinearLeakyRelu", kMicrosoft, "LeakyRelu", "xy", "alpha"},
    {"QLinearSigmoid", kMicrosoft, "Sigmoid", "xy", ""},
    {"QLinearSoftmax", kMicrosoft, "Softmax", "xy", "axis", 13},
    {"QLinearReduceMean", kMicrosoft, "ReduceMean", "xy", "axes keepdims", 13, false},
    {"QLinearWhere", kMicrosoft, "Where", "cxxy", ""},
};

/// The clamp that a note describes: operator, name, the value it reads, limits with their constants' names.
struct ClampNote {
  std::string op, name, value;
  std::vector<std::pair<std::optional<float>, std::string>> limits;
};

std::optional<ClampNote> read_clamp(const std::string& text) {
  const auto lines = split(text, '\n');
  if (lines.size() < 3 || lines.size() > 5 || (lines[0] != "Relu" && lines[0] != "Clip")) return {};
  ClampNote note{lines[0], lines[1], lines[2], {}};
  for (size_t i = 3; i < lines.size(); ++i) {
    const size_t space = lines[i].find(' ');
    if (space == std::string::npos) return {};
    const std::string number = lines[i].substr(0, space);
    const bool given = number != "-";
    note.limits.emplace_back(given ? std::optional(std::strtof(number.c_str(), nullptr)) : std::nullopt, lines[i].substr(space + 1));
  }
  return note.op == "Relu" && !note.limits.empty() ? std::nullopt : std::optional(note);
}

class Lifter {
 public:
  Lifter(Rewriter& r, const Metadata& metadata, FoldReport& report) : r_(r), metadata_(metadata), report_(report) {}

  void run() {
    for (const NodeId id : r_.nodes()) {
      const Node node = *r_.node(id);
      if (node.output() == ValueId::none) continue;
      for (const QOperator& row : kTable)
        if (node.op == row.name && node.domain == row.domain) lift(node, row);
    }
    r_.commit();
  }

 private:
  Rewriter& r_;
  const Metadata& metadata_;
  FoldReport& report_;
  std::map<std::tuple<ValueId, ValueId, ValueId, std::optional<int64_t>>, ValueId> dequantized_;

  const Tensor* constant(ValueId id) { return r_.graph().constant(id); }

  void keep(const Node& node, std::string_view why) { report_.kept.push_back(str(display_name(node), ": ", why)); }

  /// ONNX's own operators stay rather than get run-time scales around them.
  bool computes_as_it_is(const Node& node, const QOperator& row) {
    if (!row.domain.empty()) return false;
    for (const size_t i : {1, 2, 4, 5, 6, 7})
      if (!constant(node.input(i))) return keep(node, str("input ", i, " is not constant")), true;
    if (constant(node.input(1))->elements() == 1 && constant(node.input(6))->elements() == 1 &&
        constant(node.input(1))->dtype() == DType::f32 && constant(node.input(4))->dtype() == DType::f32)
      return false;
    return keep(node, "its scales are not float32, one per tensor"), true;
  }

  void lift(const Node& node, const QOperator& row) {
    if (node.attr_int("channels_last", 0) != 0)
      fail(ErrorCode::unsupported, display_name(node), ": channels_last=1 is not supported");
    if (computes_as_it_is(node, row)) return;
    std::vector<ValueId> inputs;
    size_t at = 0, result = 0;
    for (size_t i = 0; i < row.inputs.size(); ++i) {
      const char letter = row.inputs[i];
      const bool many = i + 1 < row.inputs.size() && row.inputs[i + 1] == '*';
      if (letter == 'y' || letter == 'Y') result = std::exchange(at, at + 2);
      if (letter == 'c') inputs.push_back(node.input(at++));
      if (letter == 'b' && node.input(at) != ValueId::none) inputs.push_back(bias(node, at));
      if (letter == 'b') ++at;
      if (letter == 'x' || letter == 'w')
        do inputs.push_back(operand(node, std::exchange(at, at + 3), row, letter == 'w'));
        while (many && at < node.inputs.size());
    }
    const ValueId codes = node.output();
    const bool to_codes = node.input(result) != ValueId::none;
    const std::string name = name_of_real(r_.graph().value(codes).name);
    const ValueId real = to_codes ? value_like(codes, name) : codes;
    r_.erase(node.id);
    add_operator(node, row, inputs, real);
    if (!to_codes) return;
    std::vector<ValueId> parameters = {real, node.input(result), node.input(result + 1)};
    if (parameters.back() == ValueId::none) parameters.pop_back();
    r_.add("QuantizeLinear", parameters, {codes}, name + "_QuantizeLinear");
  }

  ValueId value_like(ValueId like, const std::string& name) {
    const ValueId made = r_.add_value(name, r_.graph().value(like).dtype == DType::none ? DType::none : DType::f32);
    r_.graph().value(made).has_shape = r_.graph().value(like).has_shape;
    r_.graph().value(made).shape = r_.graph().value(like).shape;
    return made;
  }

  /// Input `at` with its scale and zero point.
  ValueId operand(const Node& node, size_t at, const QOperator& row, bool weights) {
    const ValueId codes = node.input(at);
    if (codes == ValueId::none) fail(ErrorCode::malformed, display_name(node), ": input ", at, " is missing");
    const Tensor* scale = constant(node.input(at + 1));
    std::optional<int64_t> axis;
    if (weights && scale && scale->rank() == 1) {
      const Tensor* w = constant(codes);
      axis = row.op == "Conv" ? 0 : row.op == "Gemm" ? 1 - node.attr_int("transB", 0) : w ? w->rank() - 1 : -1;
    }
    return dequantized(codes, node.input(at + 1), node.input(at + 2), axis);
  }

  ValueId dequantized(ValueId codes, ValueId scale, ValueId zero, std::optional<int64_t> axis) {
    // Weights have no zero point where it is zero, as in the table.
    if (const Tensor* z = constant(zero); constant(codes) && z)
      if (const auto zeros = values_as_int(*z); is_signed(z->dtype()) && std::count(zeros.begin(), zeros.end(), 0) == z->elements())
        zero = ValueId::none;
    const auto [found, fresh] = dequantized_.try_emplace({codes, scale, zero, axis}, ValueId::none);
    if (!fresh) return found->second;
    const bool outer = !r_.graph().has_value(codes);
    const std::string name = outer ? "outer" : name_of_real(r_.graph().value(codes).name);
    found->second = outer ? r_.add_value(name, DType::f32) : value_like(codes, name);
    std::vector<ValueId> inputs = {codes, scale, zero};
    if (zero == ValueId::none) inputs.pop_back();
    Node& dq = r_.add("DequantizeLinear", inputs, {found->second}, name + "_DequantizeLinear");
    if (axis) dq.attributes["axis"] = *axis;
    return found->second;
  }

  /// The bias at input `at` has the scale sx * sw of inputs 1 and 4; Gemm's alpha belongs to it.
  ValueId bias(const Node& node, size_t at) {
    const Tensor *sx = constant(node.input(1)), *sw = constant(node.input(4));
    const float alpha = node.attr_float("alpha", 1);
    if (!sx || !sw || sx->dtype() != DType::f32 || sw->dtype() != DType::f32 || sx->elements() != 1)
      return bias_of_run_time(node, at, alpha);
    Tensor scale = sw->clone();
    for (float& s : scale.values<float>()) s = sx->values<float>()[0] * s * alpha;
    const Tensor* b = constant(node.input(at));  // [n], or [1, n] of a Gemm
    const auto axis = scale.rank() == 1 ? std::optional<int64_t>(b && b->rank() > 0 ? b->rank() - 1 : 0) : std::nullopt;
    const ValueId constant_scale = r_.add_constant(node.name + "_bias_scale", scale);
    return dequantized(node.input(at), constant_scale, ValueId::none, axis);
  }

  ValueId bias_of_run_time(const Node& node, size_t at, float alpha) {
    const ValueId scale = r_.add_value(node.name + "_bias_scale", DType::f32);
    r_.add("Mul", {node.input(1), node.input(4)}, {scale}, node.name + "_bias_scale");
    if (alpha == 1) return dequantized(node.input(at), scale, ValueId::none, 0);
    const ValueId scaled = r_.add_value(node.name + "_bias_alpha", DType::f32);
    r_.add("Mul", {scale, r_.add_constant(node.name + "_alpha", Tensor::scalar(alpha))}, {scaled}, node.name + "_bias_alpha");
    return dequantized(node.input(at), scaled, ValueId::none, 0);
  }

  /// The float operator, in the form of the newest opset, with the clamp that its note tells of.
  void add_operator(const Node& node, const QOperator& row, std::vector<ValueId> inputs, ValueId result) {
    Node op;
    op.id = r_.graph().new_node_id();
    op.op = std::string(row.op);
    op.name = node.name;
    op.inputs = std::move(inputs);
    op.outputs = {add_clamp(node, result)};
    for (const std::string& key : split(std::string(row.attributes), ' '))
      if (const auto found = node.attributes.find(key); found != node.attributes.end()) op.attributes.insert(*found);
    if (op.op == "Softmax") op.attributes.try_emplace("axis", int64_t{-1});  // the default on codes, whatever the opset
    std::vector<Node> before, after;
    if (row.opset != 0) {
      UpgradeContext context{r_.graph(), op, static_cast<int>(node.attr_int("opset", row.opset)), before, after};
      find_op("", op.op)->upgrade(context);
    }
    for (const Node& n : before) add_copy(n);
    add_copy(op);
    for (const Node& n : after) add_copy(n);
  }

  void add_copy(const Node& node) { r_.add(node.op, node.inputs, node.outputs, node.name).attributes = node.attributes; }

  /// Adds the clamp that makes `result`, if there was one; the value that it reads.
  ValueId add_clamp(const Node& node, ValueId result) {
    const auto at = metadata_.find(kClampKey + node.name);
    const auto note = at == metadata_.end() || node.name.empty() ? std::nullopt : read_clamp(at->second);
    if (!note) return result;
    std::vector<ValueId> inputs = {value_like(result, note->value)};
    for (const auto& [limit, name] : note->limits)
      inputs.push_back(limit ? r_.add_constant(name, Tensor::scalar(*limit)) : ValueId::none);
    r_.add(note->op, inputs, {result}, note->name);
    return inputs[0];
  }
};

}  // namespace

std::span<const QOperator> qoperators() { return kTable; }

std::string name_of_real(const std::string& codes) {
  constexpr std::string_view kSuffix = "_quantized";
  const bool has = codes.size() > kSuffix.size() && codes.compare(codes.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0;
  return has ? codes.substr(0, codes.size() - kSuffix.size()) : codes + "_real";
}

void lift_qoperators(Rewriter& r, const Metadata& metadata, FoldReport& report) { Lifter(r, metadata, report).run(); }

}  // namespace bitwright
