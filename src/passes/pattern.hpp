// A small graph as an example: the same text writes nodes and finds them again, so that writing and reading cannot drift
// apart. Inputs of the pattern stand for any value.
//
//     const Pattern square("graph \"square\" {\n input x\n y = Mul(x, x)\n output y\n}");
//     square.write(r, {x}, "norm")           adds the node and returns {y}
//     square.match(r, {y})                   x, if y is computed so
#pragma once

#include <optional>

#include "graph/rewriter.hpp"

namespace bitwright {

class Pattern {
 public:
  /// The text form of graph/text.hpp. Throws Error{malformed}.
  explicit Pattern(const std::string& text);

  /// Adds the nodes, called stem_<value>, or stem where the pattern gives a name; the values of its outputs. `outputs` (none: new ones) are made by them.
  std::vector<ValueId> write(Rewriter& r, const std::vector<ValueId>& inputs, const std::string& stem,
                             std::vector<ValueId> outputs = {}) const;

  /// What stands at the inputs (none: nothing reads it) if the given values are computed like the outputs: equal operators,
  /// attributes and constants. Other readers of values inside are allowed.
  std::optional<std::vector<ValueId>> match(Rewriter& r, const std::vector<ValueId>& outputs) const;

 private:
  Graph graph_;
};

}  // namespace bitwright
