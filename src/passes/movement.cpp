// Data movement on codes, as files have it, becomes data movement on what the codes stand for.
#include <algorithm>

#include "passes/qoperators.hpp"
#include "quant/pack.hpp"

namespace bitwright {
namespace {

ValueId dequantized(Rewriter& r, ValueId codes, ValueId scale, ValueId zero, const std::string& name) {
  const ValueId result = r.add_value(name, DType::f32);
  Node& dq = r.add("DequantizeLinear", {codes, scale, zero}, {result}, name + "_DequantizeLinear");
  if (zero == ValueId::none) dq.inputs.pop_back();
  return result;
}

/// Every input that is data must come from Q with one grid. Empty: not so.
std::vector<Node> quantizers_of(Rewriter& r, const Node& node) {
  const size_t count = node.op == "Concat" ? node.inputs.size() : 1;
  std::vector<Node> found;
  std::optional<Grid> grid;
  for (size_t i = 0; i < count; ++i) {
    const Node* q = r.producer(node.input(i));
    std::string unused;
    const auto own = q && is_quantize(*q) ? grid_of(r.graph(), *q, DType::none, &unused) : std::nullopt;
    if (!own || own->layout.kind != Layout::tensor || (grid && !same_grid(*grid, *own))) return {};
    grid = own;
    found.push_back(*q);
  }
  return found;
}

/// Q -> move -> ... becomes Q -> DQ -> move -> Q -> ...: exact, because quantizing what lies on the grid changes nothing.
void lift_behind_quantizers(Rewriter& r, const Node& node, const std::vector<Node>& quantizers) {
  const Graph& g = r.graph();
  const ValueId scale = quantizers[0].input(1), zero = quantizers[0].input(2);
  for (size_t i = 0; i < quantizers.size(); ++i) {  // adding nodes moves nodes: the reader is looked up afterwards
    const ValueId real = dequantized(r, node.input(i), scale, zero, name_of_real(g.value(node.input(i)).name));
    r.set_input(*r.node(node.id), i, real);
  }
  const size_t outputs = node.op == "Split" ? node.outputs.size() : 1;
  for (size_t i = 0; i < outputs; ++i) {
    if (node.outputs[i] == ValueId::none) continue;
    const Value& codes = g.value(node.outputs[i]);
    const std::string name = name_of_real(codes.name);
    const ValueId real = r.add_value(name, codes.dtype == DType::none ? DType::none : DType::f32);
    r.graph().value(real).has_shape = codes.has_shape, r.graph().value(real).shape = codes.shape;
    r.node(node.id)->outputs[i] = real;
    Node& q = r.add("QuantizeLinear", {real, scale, zero}, {node.outputs[i]}, name + "_QuantizeLinear");
    if (zero == ValueId::none) q.inputs.pop_back();
  }
}

/// codes -> Gather -> DQ becomes codes -> DQ -> Gather: rows of a quantized embedding.
void lift_rows(Rewriter& r, const Node& gather) {
  const Node* reader = r.single_reader(gather.output());
  if (!reader || !is_dequantize(*reader) || reader->input(0) != gather.output()) return;
  const Node dq = *reader;
  const Tensor* scale = r.graph().constant(dq.input(1));
  if (!scale || scale->elements() != 1) return;
  const ValueId rows = r.add_value(name_of_real(r.graph().value(gather.input(0)).name), DType::f32);
  std::vector<ValueId> inputs = dq.inputs;
  inputs[0] = gather.input(0);
  r.erase(dq.id);
  r.add("DequantizeLinear", inputs, {rows}, dq.name);
  Node& moved = *r.node(gather.id);
  r.set_input(moved, 0, rows);
  moved.outputs[0] = dq.output();
}

/// Outside the image tf_crop_and_resize writes a real number of its own, which is no code.
bool moves_nearest(const Node& node) {
  return node.is("Resize") && node.attr_string("mode", "nearest") == "nearest" &&
         node.attr_string("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize";
}

}  // namespace

bool moves_data(const Node& node) {
  static const std::set<std::string, std::less<>> kMoves = {
      "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth",
      "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"};
  return (node.domain.empty() && kMoves.count(node.op) != 0) || moves_nearest(node);
}

void lift_movement(Rewriter& r) {
  for (const NodeId id : r.nodes()) {
    const Node* found = r.node(id);
    if (!found || !moves_data(*found) || found->output() == ValueId::none) continue;
    const Node node = *found;
    const auto quantizers = quantizers_of(r, node);
    if (!quantizers.empty()) lift_behind_quantizers(r, node, quantizers);
    if (quantizers.empty() && node.is("Gather") && r.graph().constant(node.input(0))) lift_rows(r, node);
  }
  r.commit();
}

bool write_rows(Rewriter& r, const Node& gather) {
  const Node* found = r.producer(gather.input(0));
  const Tensor* codes = found && is_dequantize(*found) ? r.graph().constant(found->input(0)) : nullptr;
  const bool per_tensor = codes && !found->has_attr("axis") && !is_packed(codes->dtype());
  if (!per_tensor || !r.single_reader(found->output())) return false;
  const Node dq = *found;
  const ValueId rows = r.add_value(r.graph().value(gather.output()).name + "_quantized", codes->dtype());
  std::vector<ValueId> inputs = dq.inputs;
  inputs[0] = rows;
  r.erase(dq.id);
  const NodeId id = gather.id;  // `gather` itself does not outlive what is added
  r.add("DequantizeLinear", inputs, {gather.output()}, dq.name);
  Node& moved = *r.node(id);
  r.set_input(moved, 0, dq.input(0));
  moved.outputs[0] = rows;
  return true;
}

}  // namespace bitwright
