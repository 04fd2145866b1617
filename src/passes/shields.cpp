#include "passes/shields.hpp"

#include <algorithm>

#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

DType codes_of(const Graph& graph, const Node& dq) {
  return graph.has_value(dq.input(0)) ? graph.value(dq.input(0)).dtype : DType::none;
}

class ShieldWriter {
 public:
  ShieldWriter(Model& model, NodeNames& names) : model_(model), names_(names), r_(model) {
    for (const Node& node : model.graph.nodes) {
      activations_ = activations_ || ((is_quantize(node) || node.is("DynamicQuantizeLinear")) && !r_.graph().constant(node.input(0)));
      newer_ = newer_ || (is_dequantize(node) && (node.attr_int("block_size", 0) > 0 || bits_of(codes_of(model.graph, node)) % 8 != 0 ||
                                                  bits_of(codes_of(model.graph, node)) == 16));
    }
  }

  void run() {
    for (const NodeId id : r_.nodes()) {
      const Node& node = *r_.node(id);
      if (is_dequantize(node)) shield_readers(node);
      if (node.is("Resize")) note_cubic(node);
    }
    r_.commit();
  }

 private:
  Model& model_;
  NodeNames& names_;
  Rewriter r_;
  bool activations_ = false;  // some are codes
  bool newer_ = false;        // the file wants opset 21

  /// It takes blocks of bytes for scales per channel, and makes QLinearConv of 2-bit weights.
  bool misread_weights(const Node& dq, const Node& reader) {
    if (!activations_ || !r_.graph().constant(dq.input(0))) return false;
    const int bits = bits_of(codes_of(r_.graph(), dq));
    const bool linear = reader.is("Conv") || reader.is("ConvTranspose") || reader.is("Gemm") || reader.is("MatMul");
    return linear && (bits == 2 || (bits == 8 && dq.attr_int("block_size", 0) > 0));
  }

  /// From opset 21 on it moves int8 codes past data movement with a QuantizeLinear of two types.
  bool moved_with_two_types(const Node& dq, const Node& reader) {
    if (!newer_ || r_.graph().constant(dq.input(0)) || codes_of(r_.graph(), dq) != DType::i8 || !moves_data(reader)) return false;
    return std::none_of(reader.outputs.begin(), reader.outputs.end(), [&](ValueId id) { return is_quantized(id); });
  }

  bool is_quantized(ValueId id) {
    if (id == ValueId::none) return false;
    const auto& readers = r_.readers(id);
    return std::any_of(readers.begin(), readers.end(),
                       [&](const Use& use) { return use.node != NodeId::none && !use.nested && is_quantize(*r_.node(use.node)); });
  }

  void shield_readers(const Node& dq) {
    std::vector<Use> shielded;
    for (const Use& use : r_.readers(dq.output())) {
      const Node* reader = use.node == NodeId::none || use.nested ? nullptr : r_.node(use.node);
      if (reader && (misread_weights(dq, *reader) || moved_with_two_types(dq, *reader))) shielded.push_back(use);
    }
    if (shielded.empty()) return;
    const std::string stem = r_.graph().value(dq.output()).name;
    const ValueId same = r_.add_value(stem + "_sum", r_.graph().value(dq.output()).dtype);
    r_.add("Sum", {dq.output()}, {same}, names_.unique(stem + "_Sum"));
    for (const Use& use : shielded) r_.set_input(*r_.node(use.node), use.index, same);
  }

  /// It moves the channels of 8-bit networks to the end, where its cubic interpolation cannot make pictures smaller.
  void note_cubic(const Node& node) {
    const Node* dq = node.attr_string("mode", "nearest") == "cubic" ? r_.producer(node.input(0)) : nullptr;
    if (dq && is_dequantize(*dq) && is_quantized(node.output()))
      model_.info.notes.push_back(str(display_name(node), ": ONNX Runtime 1.31 may refuse a cubic Resize of codes; exclude the node if the file is meant for it"));
  }
};

}  // namespace

void write_shields(Model& model, NodeNames& names) { ShieldWriter(model, names).run(); }

void drop_shields(Rewriter& r) {
  for (const NodeId id : r.nodes()) {
    const Node sum = *r.node(id);
    if (!sum.is("Sum") || sum.inputs.size() != 1 || sum.output() == ValueId::none) continue;
    const Node* dq = r.producer(sum.input(0));
    if (dq && is_dequantize(*dq) && !r.has_entries(sum) && r.replace(sum.output(), sum.input(0))) r.erase(id);
  }
  r.commit();
}

}  // namespace bitwright
