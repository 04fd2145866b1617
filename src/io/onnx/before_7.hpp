// Opsets 1 to 6. Until opset 7 two tensors met by attributes (`broadcast`, `axis`) instead of by numpy's rules, and a few
// operators had their parameters elsewhere. This brings one node into its form of opset 7; from there the operators know the
// way themselves (Op::upgrade).
#pragma once

#include "ops/infer.hpp"

namespace bitwright::onnx {

/// `walk` knows the values that nodes before this one make. Error{unsupported} naming the node where its form means something
/// that opset 7 cannot say, or where the rank that an `axis` counts from is not known.
void upgrade_before_7(UpgradeContext& u, const ShapeWalk& walk);

}  // namespace bitwright::onnx
