// Tools of Op::upgrade and Op::downgrade: the changes of form that many operators went through.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// The constant value `id` holds in the graph of the context, or nullptr.
const Tensor* constant_input(const UpgradeContext& u, size_t index);
/// The shape of input `index` where the graph knows one, else nullptr.
const Shape* known_shape(const UpgradeContext& u, size_t index);
/// Turns constant input `index` (integers) into attribute `key` and drops it if it is the last; true if it was left out.
/// False when it is not a constant.
bool input_to_attribute(UpgradeContext& u, size_t index, const std::string& key);
/// Drops attribute `key` if it holds `value` or is absent; false if it holds anything else.
bool drop_attribute(UpgradeContext& u, const std::string& key, int64_t value);

}  // namespace bitwright
