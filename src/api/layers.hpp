// Where the time of a run goes: each step beside what the machine could do at most, and which of that limits it.
#pragma once

#include "api/cost.hpp"

namespace bitwright {

/// What `threads` threads of this machine can do at most, measured (kernels/peak.hpp); 0 where it is not known.
struct Machine {
  Isa isa = Isa::ref;    // of the integer kernels: the best that the program may use
  int threads = 1;
  double macs = 0;       // 8-bit multiply-adds per second
  double float_macs = 0; // float32
  double bytes = 0;      // read per second from memory as large as the program's weights and arena together
};
Machine measure_machine(const Program& program, const Sample& sample, int threads);

/// Of a step's time: what the arithmetic would need at the machine's peak (`compute`), or the bytes at its bandwidth
/// (`memory`), if either is half of the time or more; else neither explains it: `overhead` of short rows, edges, starting.
enum class Bound : uint8_t { unknown, compute, memory, overhead };
std::string_view name_of(Bound bound);

struct LayerTime {
  StepInfo step;
  double us = 0;                // median over the runs
  double share = 0;             // of the time of all steps
  double peak_share = 0;        // multiply-adds per second by the peak of their kind (int8 or float32)
  double bandwidth_share = 0;   // bytes per second by the bandwidth; above 1 where its own data lie in a nearer cache
  Bound bound = Bound::unknown;
};
/// Steps of the program in order, timed one by one for about `seconds`; ten runs at least.
std::vector<LayerTime> time_layers(const std::shared_ptr<const Program>& program, const Sample& sample, const Machine& machine,
                                   double seconds);

/// What a run's multiply-adds, int8 and float32, would take at the machine's peak, by `ms`, the time of the run for
/// `records` records; 0 where the peak is not known.
double peak_share(const Cost& cost, const Machine& machine, double ms, int64_t records);

}  // namespace bitwright
