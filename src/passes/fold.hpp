// Between the two forms of a quantized model: a float Graph with a Quantization beside it (what every algorithm works on),
// and a Graph in which the same is spelled with ONNX nodes (what files hold, and what simulation executes). `fold` and
// `materialise` are inverses, and nothing else in the house interprets Q/DQ patterns.
//
//     x -> QuantizeLinear -> DequantizeLinear -> Conv     <=>    entry at x's producer (or at Conv's input)
//     codes -> DequantizeLinear -> Conv                   <=>    entry with codes at Conv's input
//     DynamicQuantizeLinear, MatMulInteger, Cast, Mul     <=>    MatMul with an entry {when = at_run} and one with codes
//     QLinearConv                                         <=>    Conv with entries (qoperators.hpp has the table)
//
// In nested graphs (branches of If, bodies of loops) this holds for constants only: steps of activations stay nodes there.
//
// What has no ONNX form (the range of a format narrower than its file type, the asked-for tie of two grids) travels in
// the model's metadata under "bitwright.quantization/<node>".
#pragma once

#include "graph/quantization.hpp"

namespace bitwright {

struct FoldReport {
  size_t entries = 0;             // made
  std::vector<std::string> kept;  // "node 'q3' (QuantizeLinear): its scale is computed at run time"
};

/// Moves constant, bit-identical Q/DQ patterns from the graph into the quantization. Everything else stays a node: run-time
/// or unequal parameters, lone Q or DQ; a DQ behind a graph input (or Q before a graph output) stays too, for the sake of
/// the interface, and its grid is noted at its float side. Throws Error{malformed} if the result does not verify.
Model fold(Model model, FoldReport* report = nullptr);

/// How files spell operators on codes: float operators between QuantizeLinear and DequantizeLinear, or QLinearConv and
/// its kin where ONNX Runtime has one.
enum class QuantizedStyle : uint8_t { qdq, qoperator };

struct MaterialiseOptions {
  QuantizedStyle style = QuantizedStyle::qdq;

  /// false: run-time quantization is simulated by DynamicQuantizeLinear and DequantizeLinear around the float operator
  bool integer_operators = true;
};

/// Spells the quantization with nodes; the result has an empty quantization. Throws Error{unsupported} naming the place
/// whose entry has no ONNX form, Error{usage} for one whose grid is not known yet (not calibrated).
Model materialise(Model model, const MaterialiseOptions& options = {});

/// fl32(sx * sw): the scale of the int32 bias of a linear operator, one per channel of the weights. Empty where the
/// grids at its data and weight input do not define one.
Tensor derived_bias_scale(const Model& model, const Uses& uses, const Node& node);

}  // namespace bitwright
