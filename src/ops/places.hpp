// Which places of their first input operators take that only choose along axes: element (i, j, ...) of the result is element
// (places[0][i], places[1][j], ...) of the input. What makes views of values reads it instead of running the operator. Errors are
// those of the operator; DataNeeded where an input that says what to take is not constant.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// One list per axis of the input; an empty list: all places in order.
using Places = std::vector<std::vector<int64_t>>;

Places slice_places(const OpContext& c);
/// Of the output `i` of Split.
Places split_places(const OpContext& c, size_t i);
/// -1: outside, where mode `constant` writes its constant.
Places pad_places(const OpContext& c);
/// Of mode `nearest`, whose coordinates are not tf_crop_and_resize.
Places resize_places(const OpContext& c);

}  // namespace bitwright
