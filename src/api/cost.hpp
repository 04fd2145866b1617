// What a network costs: size, multiply-adds, bit operations, bytes moved, time. The columns of every comparison.
#pragma once

#include "api/metric.hpp"

namespace bitwright {

struct Cost {
  int64_t macs = 0;          // multiply-adds of one record
  int64_t integer_macs = 0;  // of these, on codes
  double bit_operations = 0; // sum of macs x bits of weights x bits of activations (float: 32 x 32)
  int64_t bytes_moved = 0;   // read and written by all steps, weights included
  int64_t arena_bytes = 0, weight_bytes = 0;

  double integer_share() const { return macs > 0 ? static_cast<double>(integer_macs) / static_cast<double>(macs) : 0; }
};

/// For one record; free extents other than the first count as `length` (0: as in Program::default_shapes).
Cost cost_of(const Program& program, int64_t length = 0);

struct Latency {
  double median_ms = 0, least_ms = 0;  // of one run
  int64_t runs = 0, batch = 1;
};
/// Runs on random inputs for about `seconds` after a warm-up.
Latency measure_latency(const std::shared_ptr<const Program>& program, int threads, int64_t batch, double seconds,
                        Sink* sink = nullptr, int64_t length = 0);

}  // namespace bitwright
