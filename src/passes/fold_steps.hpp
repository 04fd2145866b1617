// The steps of fold; fold.cpp calls them in their order.
#pragma once

#include "passes/fold_nodes.hpp"

namespace bitwright {

/// "node 'q3' (QuantizeLinear): why", once.
void keep_node(FoldReport& report, const Node& node, std::string_view why);

/// Constants that stand for codes: the entry that every reader of one gets.
using ConstantEntries = std::map<ValueId, Entry>;

/// What stands before a DQ: Q, Q -> Clip of codes, Clip of floats -> Q (StepWriter writes all three), DynamicQuantizeLinear.
struct QuantizeStep {
  ValueId quantized;  // the value behind all of it
  Grid grid;
  GroupId tied = 0;
  bool at_run = false, clips_floats = false;
};
/// Nothing where the DQ does not undo what stands there; `why` may say so.
std::optional<QuantizeStep> read_step(Rewriter& r, const Metadata& metadata, const Node& dq, std::string* why);

/// codes -> DQ: the DQ's output becomes a float constant, the decoded view of the codes.
ConstantEntries fold_constants(Rewriter& r, const Metadata& metadata, FoldReport& report);
/// value -> Q -> DQ becomes an entry where the value is made or read. Constants quantized so are added to `constants`.
void fold_pairs(Model& model, Rewriter& r, ConstantEntries& constants, FoldReport& report);
/// Puts the entries of constants where they are read.
void place_constants(Model& model, const ConstantEntries& constants);

}  // namespace bitwright
