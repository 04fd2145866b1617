// B1: multiply-adds per second of a stream of the multiply instruction alone, which is the peak that all shares are of. The tile
// unit is used only after its self-test (tile_test.hpp); the others compute nothing that could be checked.
#include "kernels/peak.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

void instruction_rate(benchmark::State& state, Isa isa, double (*peak)(Isa, Threads&), int count) {
  Threads threads(count);
  double best = 0;
  for (auto _ : state) best = std::max(best, peak(isa, threads));
  if (best == 0) return state.SkipWithError("this machine's peak is not known");
  state.counters["G/s"] = best / 1e9;
  state.counters["per_cycle"] = best / count / cycles_per_second();
}

[[maybe_unused]] const bool registered = [] {
  for (const Isa isa : {Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::amx}) {
    if (!machine_has(isa)) continue;
    for (const int count : {1, 2}) {
      add_benchmark(str("B1_int8_macs/", name_of(isa), "/threads_", count), instruction_rate, isa, peak_macs, count)->Iterations(5);
      add_benchmark(str("B1_float_macs/", name_of(isa), "/threads_", count), instruction_rate, isa, peak_float_macs, count)->Iterations(5);
    }
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
