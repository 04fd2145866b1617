// Which nodes the kernels of kernels/rows compute.
#pragma once

#include "kernels/rows/rows.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {

/// The function of an activation, if it is one of them.
std::optional<RowsFunction> activation_of(const Node& node);

/// Why a LayerNormalization of float32 is none along the last axis with one scale (and bias) per element; empty: it is.
std::string norm_refuses(const Lowering& lowering, const Node& node);
/// Its scale and bias.
std::vector<BufferId> norm_parameters(Lowering& lowering, const Node& node);
inline float norm_epsilon(const Node& node) { return node.attr_float("epsilon", 1e-5f); }

}  // namespace bitwright
