// ONNX Runtime (1.31.1) fuses operators with the Q and DQ around them without asking whether its kernel takes these codes;
// such files do not load, or fail when run. Where that happens a Sum of one input stands between DQ and reader: by ONNX the
// identity, and a node that its optimisers keep. The operator is then computed in float from the same numbers.
#pragma once

#include "passes/fold_nodes.hpp"

namespace bitwright {

/// On a graph that `materialise` made. What no Sum helps is noted for the user.
void write_shields(Model& model, NodeNames& names);
/// The inverse, for every Sum of one input behind a DQ.
void drop_shields(Rewriter& r);

}  // namespace bitwright
