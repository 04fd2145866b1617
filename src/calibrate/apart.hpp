// Whether the records of a batch can be run a few at a time: memory then follows from a few records, threads share a batch, and
// what one layer makes is still in the caches when the next reads it. A batch stays what observers call a batch.
#pragma once

#include <span>

#include "graph/graph.hpp"

namespace bitwright {

/// How many of the `records` of a batch with these inputs (the graph's, by position) are best run together: all of them, unless
/// every value that depends on the data has the records along its first axis and each operator computes each record by itself.
int64_t records_together(const Graph& graph, std::span<const Tensor> inputs, int64_t records);

/// Records [first, first + count) of the inputs that lie by record, which are those with a free first extent; the others whole.
/// In the same memory, which must outlive them.
std::vector<Tensor> records_of(const Graph& graph, std::span<const Tensor> inputs, int64_t records, int64_t first, int64_t count);

}  // namespace bitwright
