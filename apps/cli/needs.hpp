// What running a network over some records would take: the numbers of --dry-run.
#pragma once

#include "shared.hpp"

namespace bitwright::cli {

struct Needs {
  int64_t records = 0, batch = 1, batches = 0;
  int64_t arena_bytes = 0, weight_bytes = 0;  // of activations per thread; of weights as kernels read them
  double seconds = 0;                         // one batch, timed, for all of them
};

/// Without data a batch holds random numbers.
Needs needs_of(const std::shared_ptr<const Program>& program, const Dataset* data, int64_t records, int64_t batch, const Context& c);
/// "1000 records in 32 batches of 32, about 1.3 s; memory: 1.2 MB of activations per thread, 61.0 kB of weights"
std::string describe(const Needs& needs);
Document to_document(const Needs& needs);

/// What making codes of a placement's constants would take: they come one tensor after another from the mapped file.
struct WeightNeeds {
  int64_t tensors = 0, bytes = 0, code_bytes = 0;
  int64_t memory_bytes = 0;  // of the largest tensor and its codes
  double seconds = 0;        // a part of the largest one, timed, for all of them; without reading and writing files
};
WeightNeeds weight_needs_of(const Placement& placement);
/// "3 tensors, 3.2 GB to 805.3 MB, about 2.1 s; memory: 1.3 GB"
std::string describe(const WeightNeeds& needs);
Document to_document(const WeightNeeds& needs);

}  // namespace bitwright::cli
