// Grids as the nodes that spell them: what materialise writes where an entry stands.
#pragma once

#include "passes/fold_nodes.hpp"

namespace bitwright {

class StepWriter {
 public:
  /// Notes of what nodes cannot say go to the metadata.
  StepWriter(Rewriter& r, Metadata& metadata, NodeNames& names) : r_(r), metadata_(metadata), names_(names) {}

  /// value -> (Q -> Clip -> DQ, or with 16-bit codes Clip -> Q -> DQ, or for 16-bit floats Cast -> Cast) for each grid of the chain;
  /// the last node makes `end` if given. Error{unsupported} for a grid without ONNX form, beginning with `where`.
  ValueId write(ValueId value, const Entry& entry, std::optional<ValueId> end, const std::string& where);
  /// Codes of a constant -> DQ, which takes the constant's name.
  ValueId write_codes(ValueId value, const Entry& entry);

 private:
  Rewriter& r_;
  Metadata& metadata_;
  NodeNames& names_;

  /// To a 16-bit float and back, into `result`.
  ValueId write_rounding(ValueId value, const Grid& grid, ValueId result, const std::string& stem);
  ValueId write_clip(ValueId codes, const Grid& grid, const std::string& stem);
  ValueId write_float_clip(ValueId value, std::pair<float, float> limits, const std::string& stem);
  /// 16-bit floats without a scale: the constant in that type, and a Cast. Other formats that ONNX lacks: decoded values.
  ValueId write_float_codes(const std::string& stem, const Entry& entry);
  void note(const Node& dq, const std::string& text);
};

}  // namespace bitwright
