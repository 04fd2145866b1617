// What a network costs: size, multiply-adds, bit operations, bytes moved, time. The columns of every comparison.
#pragma once

#include "api/metric.hpp"

namespace bitwright {

/// One run to measure a network by.
struct Sample {
  std::vector<Tensor> inputs;
  int64_t records = 1;
  std::vector<Shape> shapes() const;
};
/// The first `batch` records of the data, or as many as the network's fixed batch has: what a network with free extents costs
/// depends on theirs. Error{mismatch} as bind_inputs.
Sample sample_of(const Program& program, const Dataset& data, int64_t batch = 1);
/// Random inputs; free extents other than the first are `length` (0: as in Program::default_shapes).
Sample sample_of(const Program& program, int64_t batch = 1, int64_t length = 0);

struct Cost {
  int64_t macs = 0;          // multiply-adds of one record
  int64_t integer_macs = 0;  // of these, on codes
  double bit_operations = 0; // sum of macs x bits of weights x bits of activations (float: 32 x 32)
  int64_t bytes_moved = 0;   // read and written by all steps, weights included; what only the run itself sizes counts nothing
  int64_t arena_bytes = 0, live_bytes = 0, weight_bytes = 0;  // of the run: Program::Memory

  double integer_share() const { return macs > 0 ? static_cast<double>(integer_macs) / static_cast<double>(macs) : 0; }
};

/// For one record of such a run.
Cost cost_of(const Program& program, const Sample& sample);

struct Latency {
  double median_ms = 0, least_ms = 0, p99_ms = 0;  // of one run; p99: what 99 of 100 runs do not exceed
  int64_t runs = 0, batch = 1;
};
/// Times whole runs of one sample, in bursts that may lie apart: one Run, warm from the start.
class Stopwatch {
 public:
  Stopwatch(std::shared_ptr<const Program> program, Sample sample, int threads);
  /// Runs for about `seconds`, `least` times at least.
  Latency burst(double seconds, Sink* sink = nullptr, size_t least = 3);

 private:
  Run run_;
  Sample sample_;
};
/// One burst.
Latency measure_latency(const std::shared_ptr<const Program>& program, const Sample& sample, int threads, double seconds,
                        Sink* sink = nullptr);

}  // namespace bitwright
