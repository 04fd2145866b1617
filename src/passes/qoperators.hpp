// Operators on codes: QLinearConv and QLinearMatMul of ONNX, and what ONNX Runtime adds in the domain com.microsoft. One
// table says, per operator, which float operator it is and in which order its inputs stand; `lift_qoperators` reads files
// with it and `write_qoperators` writes them, so that the two are inverses:
//
//     x -> DQ -> Conv -> Relu -> Q -> y      <=>      x -> QLinearConv -> y
//
// A Relu or Clip that the quantization behind it makes superfluous has no node on codes. It travels in the metadata under
// "bitwright.clamp/<node>", so that the float network is found again.
#pragma once

#include "passes/fold_nodes.hpp"

namespace bitwright {

struct QOperator {
  std::string_view name, domain;  // on codes
  std::string_view op;            // of the float operator, domain ""
  /// The inputs on codes, in order, one letter each:
  ///   x  an activation: codes, scale, zero point          * after it: any number of them
  ///   w  weights: the same, scales perhaps per output channel
  ///   y  scale and zero point of the result               Y  the same, left out for a float result
  ///   b  an int32 bias of scale sx * sw, may be left out  c  an input that is no number (a condition)
  std::string_view inputs;
  std::string_view attributes;    // those that both forms have
  int opset = 0;                  // if not 0: of the float operator's form whose attributes these are
  bool in_ort = true;             // ONNX Runtime has a kernel: written as well as read
};
std::span<const QOperator> qoperators();

/// Where the model's metadata hold the clamps that went into the quantization behind them.
inline const std::string kClampKey = "bitwright.clamp/";

/// Operators on codes become DQ -> operator -> Q. ONNX's own stay where a scale is not constant: they can be computed.
void lift_qoperators(Rewriter& r, const Metadata& metadata, FoldReport& report);

/// The inverse, on a graph that `materialise` made: what has no form on codes keeps its Q and DQ. Data movement between
/// equal grids moves codes. A node without a name gets one of `names` where its clamp is noted.
void write_qoperators(Model& model, NodeNames& names);

// ---- data movement

/// Operators whose output elements are input elements; their data input is input 0 (Concat: all).
bool moves_data(const Node& node);

/// Data movement on codes becomes data movement on what they stand for, between DQ and Q.
void lift_movement(Rewriter& r);

/// DQ -> Gather becomes Gather -> DQ, so that only the rows that are read become floats. False: not such a Gather.
bool write_rows(Rewriter& r, const Node& gather);

/// Codes of `w` are called w_quantized, here and by other tools: the name of what they stand for.
std::string name_of_real(const std::string& codes);

}  // namespace bitwright
