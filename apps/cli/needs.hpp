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

}  // namespace bitwright::cli
