// What the machine itself does (engine.md B0, B1) and what meeting costs (B7): the floor below every other figure.
#include <benchmark/benchmark.h>

#include "kernels/peak.hpp"

namespace bitwright {
namespace {

void bandwidth(benchmark::State& state, int64_t bytes, int count) {
  Threads threads(count);
  double best = 0;
  for (auto _ : state) best = std::max(best, read_bandwidth(bytes, threads));
  state.counters["GB/s"] = best / 1e9;
}

void instruction_rate(benchmark::State& state, Isa isa, double (*peak)(Isa, Threads&), int count) {
  Threads threads(count);
  double best = 0;
  for (auto _ : state) best = std::max(best, peak(isa, threads));
  if (best == 0) return state.SkipWithError("this machine's peak is not known");
  state.counters["G/s"] = best / 1e9;
}

/// One run of the threads over as many empty chunks: what every parallel step pays. Each chunk must run once.
void meeting(benchmark::State& state, int count) {
  Threads threads(count);
  std::vector<int64_t> runs(static_cast<size_t>(count), 0);
  int64_t rounds = 0;
  for (auto _ : state) {
    threads.run(count, [&](int64_t chunk) { ++runs[static_cast<size_t>(chunk)]; });
    ++rounds;
  }
  for (const int64_t n : runs)
    if (n != rounds) state.SkipWithError("a chunk was left out");
}

[[maybe_unused]] const bool registered = [] {
  for (const int count : {1, 2}) {
    const std::string threads = "/threads_" + std::to_string(count);
    for (const int64_t kib : {16, 256, 4096, 1 << 18})
      benchmark::RegisterBenchmark(("B0_read_bandwidth/kib_" + std::to_string(kib) + threads).c_str(), bandwidth, kib << 10, count)
          ->Iterations(3);
    for (const Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::amx}) {
      if (!machine_has(isa)) continue;
      const std::string name(name_of(isa));
      benchmark::RegisterBenchmark(("B1_int8_macs/" + name + threads).c_str(), instruction_rate, isa, peak_macs, count)->Iterations(3);
      benchmark::RegisterBenchmark(("B1_float_macs/" + name + threads).c_str(), instruction_rate, isa, peak_float_macs, count)->Iterations(3);
    }
  }
  for (const int count : {1, 2, 3, 4}) benchmark::RegisterBenchmark(("B7_meeting/threads_" + std::to_string(count)).c_str(), meeting, count)->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace bitwright
