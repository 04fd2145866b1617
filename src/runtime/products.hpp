// Stacks of matrix products whose leading dimensions broadcast.
#pragma once

#include <vector>

#include "core/tensor.hpp"

namespace bitwright {

/// Where the matrix of each product starts, in elements, in a tensor of `shape` whose leading dimensions are broadcast to those
/// of `result`; both have at least two dimensions.
std::vector<int64_t> product_starts(const Shape& shape, const Shape& result);

}  // namespace bitwright
