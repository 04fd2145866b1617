// Records lie along a tensor's first axis. A network that takes a fixed number of them gets a last batch filled with repeats,
// whose results count nowhere.
#pragma once

#include "core/tensor.hpp"

namespace bitwright {

/// How many of the records of a run count: the first `records` of `of`.
struct Counted {
  int64_t records = 1, of = 1;
};

/// The part of `tensor` that belongs to the records that count, in the same memory, which must outlive it. A tensor whose
/// first extent is no multiple of the number of records has no part per record and is given back whole.
Tensor counted_rows(const Tensor& tensor, const Counted& counted);

}  // namespace bitwright
