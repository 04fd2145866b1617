// Free extents of a network made numbers: a network for any batch and length becomes one for batch 1 and length 576, and
// what depends on shapes (the branch that an If takes) becomes constant.
#pragma once

#include <span>

#include "graph/graph.hpp"

namespace bitwright {

/// Every extent with the symbol NAME becomes NUMBER, for each "NAME=NUMBER" (at least 1). Error{usage} for names that no
/// input has, with the nearest, and for what is no number.
void fix_extents(Graph& graph, std::span<const std::string> extents);

}  // namespace bitwright
