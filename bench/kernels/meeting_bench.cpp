// B7: one run of the threads over as many empty chunks, which is what every parallel step pays; steps of a Program are in
// ../api/steps_bench.cpp.
#include "core/threads.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

/// Each chunk must run once per round.
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
  for (const int count : {1, 2, 3, 4}) add_benchmark(str("B7_meeting/threads_", count), meeting, count)->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace bitwright
