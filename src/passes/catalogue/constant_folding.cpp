// op(constants) = constant, and Shape(x) = constant where the shape of x is known, or as much of it as is read. Quantized constants follow a Transpose
// or Reshape with their codes; other operators on them are left alone.
#include <algorithm>

#include "graph/rewriter.hpp"
#include "ops/op.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

constexpr size_t kAlwaysSmall = 1 << 16;  // bytes: more is folded only where it does not make the model larger
constexpr size_t kLargest = 1 << 30;

class ConstantFolder {
 public:
  ConstantFolder(Model& model, PassReport& report) : r_(model), report_(report) {}

  void run() {
    for (const ValueId id : r_.graph().inputs) note(id);
    for (const NodeId id : r_.nodes()) visit(*r_.node(id));
    r_.commit();
  }

 private:
  Rewriter r_;
  PassReport& report_;
  std::unordered_map<ValueId, Tensor> described_;  // types and shapes known so far
  std::unordered_map<ValueId, Tensor> extents_;    // shapes of inputs and parts of them, -1 for what only a run knows

  void note(ValueId id) {
    const Value& value = r_.graph().value(id);
    const bool known = value.dtype != DType::none && value.has_shape &&
                       std::all_of(value.shape.begin(), value.shape.end(), [](int64_t n) { return n >= 0; });
    if (known) described_[id] = Tensor::described(value.dtype, value.shape);
  }

  /// Inputs as far as they are known; false if some are not.
  bool gather(const Node& node, std::vector<Tensor>& inputs, bool& constant) {
    constant = true;
    for (const ValueId id : node.inputs) {
      inputs.emplace_back();
      if (id == ValueId::none) continue;
      if (const Tensor* held = r_.graph().constant(id)) {
        inputs.back() = *held;
        continue;
      }
      constant = false;
      const auto at = described_.find(id);
      if (at == described_.end()) return false;
      inputs.back() = at->second;
    }
    return true;
  }

  static bool has_nested(const Node& node) {
    return std::any_of(node.attributes.begin(), node.attributes.end(), [](const auto& a) {
      return std::holds_alternative<std::shared_ptr<Graph>>(a.second);
    });
  }

  void visit(const Node& node) {
    const Op* op = find_op(node.domain, node.op);
    std::vector<Tensor> inputs, outputs;
    bool constant = false;
    if (!op || !op->run || has_nested(node)) return;
    try {
      if (fold_extents(node) || !gather(node, inputs, constant)) return;
      if (!infer_outputs(node, inputs, outputs) && !constant) return;
      if (node.is("Shape") && !constant) return fold_shape(node, inputs[0]);
      for (size_t i = 0; i < outputs.size(); ++i)
        if (node.outputs[i] != ValueId::none && !outputs[i].empty())
          described_[node.outputs[i]] = Tensor::described(outputs[i].dtype(), outputs[i].shape());
      if (!constant || !op->deterministic) return;
      if (r_.has_entries(node)) return move_quantized(node, inputs.empty() ? Tensor() : inputs[0]);
      if (!small_enough(node, inputs, outputs)) return;
      finish(node, evaluate(node, inputs));
    } catch (const Error& e) {
      report_.kept.push_back(str(display_name(node), ": cannot be computed: ", e.what()));
    }
  }

  bool small_enough(const Node& node, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
    size_t in = 0, out = 0;
    for (const Tensor& t : inputs) in += t.bytes();
    for (const Tensor& t : outputs) out += t.bytes();
    if (out <= std::max(kAlwaysSmall, in) && out < kLargest) return true;
    report_.kept.push_back(str(display_name(node), ": its constant result would take ", human_bytes(static_cast<double>(out))));
    return false;
  }

  static Tensor shape_part(const Node& node, const Shape& shape) {
    const auto rank = static_cast<int64_t>(shape.size());
    auto clamp = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
    const int64_t start = clamp(node.attr_int("start", 0)), end = clamp(node.attr_int("end", rank));
    const Shape part(shape.begin() + start, shape.begin() + std::max(start, end));
    return Tensor::of<int64_t>({static_cast<int64_t>(part.size())}, part);
  }

  void fold_shape(const Node& node, const Tensor& x) { finish(node, {shape_part(node, x.shape())}); }

  /// Gather(Shape(x), i) and Slice(Shape(x), ...) = constant, x an input with symbols among its extents, where what is read
  /// is no symbol.
  bool fold_extents(const Node& node) {
    if (node.is("Shape") && r_.is_graph_input(node.input(0))) {
      const Value& x = r_.graph().value(node.input(0));
      Shape shape = x.shape;
      for (int64_t& extent : shape) extent = std::max<int64_t>(extent, -1);
      if (x.has_shape) extents_[node.output()] = shape_part(node, shape);
      return false;
    }
    const auto at = node.inputs.empty() ? extents_.end() : extents_.find(node.input(0));
    if (at == extents_.end() || !(node.is("Gather") || node.is("Slice"))) return false;
    std::vector<Tensor> inputs = {at->second};
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const Tensor* held = node.input(i) == ValueId::none ? nullptr : r_.graph().constant(node.input(i));
      if (!held && node.input(i) != ValueId::none) return false;
      inputs.push_back(held ? *held : Tensor());
    }
    const std::vector<Tensor> results = evaluate(node, inputs);
    const std::vector<int64_t> read = values_as_int(results[0]);
    const bool known = std::all_of(read.begin(), read.end(), [](int64_t extent) { return extent >= 0; });
    if (known) finish(node, results);
    return known;
  }

  void finish(const Node& node, const std::vector<Tensor>& results) {
    report_.done.push_back(display_name(node) + ": computed beforehand");
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != ValueId::none) r_.set_constant(node.outputs[i], results[i]);
    r_.erase(node.id);
  }

  /// Transpose and Reshape of a constant with codes: every reader gets the moved codes.
  void move_quantized(const Node& node, const Tensor& x) {
    const Entry* entry = r_.input_entry(node, 0);
    const bool lone = entry && !entry->codes.empty() && !r_.output_entry(node.output());
    const bool transpose = node.is("Transpose");
    const bool reshape = node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze");
    const auto readers = r_.readers(node.output());
    const bool plain = std::all_of(readers.begin(), readers.end(), [](const Use& u) { return u.node != NodeId::none && !u.nested; });
    if (!lone || !plain || (!transpose && !reshape)) {
      report_.kept.push_back(display_name(node) + ": its constant is quantized");
      return;
    }
    ConstantView view{x, *entry};
    if (transpose) {
      std::vector<int64_t> perm = node.attr_ints("perm");
      if (perm.empty())
        for (int64_t d = x.rank(); d-- > 0;) perm.push_back(d);
      view = permuted(view, perm);
    } else if (!reshaped(view, described_.at(node.output()).shape())) {
      report_.kept.push_back(display_name(node) + ": the grid of its constant does not survive it");
      return;
    }
    for (const Use& use : readers) r_.quantization().at[{use.node, Side::input, use.index}] = view.entry;
    finish(node, {view.values});
  }
};

}  // namespace

Model pass_constant_folding(Model model, PassReport& report);
Model pass_constant_folding(Model model, PassReport& report) {
  ConstantFolder(model, report).run();
  return model;
}

}  // namespace bitwright
