#include "kernels/peak.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/tensor.hpp"
#include "kernels/tile_test.hpp"

namespace bitwright {
namespace {

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The workers of one measurement begin together, or after half a millisecond without those that do not come: what one core does
/// alone is more than its share.
class Meeting {
 public:
  explicit Meeting(int expected) : missing_(expected) {}
  void wait() {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::microseconds(500);
    --missing_;
    while (missing_ > 0 && std::chrono::steady_clock::now() < patience) {}
  }

 private:
  std::atomic<int> missing_;
};

/// Calls per second of once(thread), summed over the threads; each thread's best of some short stretches of its own time, so
/// that what else runs on the machine counts little.
double rate(Threads& threads, FunctionRef<void(int64_t)> once) {
  constexpr int kStretches = 6;
  constexpr double kSeconds = 1e-3;
  std::vector<double> best(static_cast<size_t>(threads.count()), 0);
  for (int i = 0; i < kStretches; ++i) {
    Meeting meeting(threads.count());
    threads.run(threads.count(), [&](int64_t thread) {
      meeting.wait();
      const double begin = thread_seconds();
      int64_t calls = 0;
      double seconds = 0;
      for (; seconds < kSeconds; seconds = thread_seconds() - begin, ++calls) once(thread);
      double& mine = best[static_cast<size_t>(thread)];
      mine = std::max(mine, static_cast<double>(calls) / seconds);
    });
  }
  return std::accumulate(best.begin(), best.end(), 0.0);
}

#if defined(__x86_64__)
// Some 70 microseconds: looking at the clock takes half of one.
constexpr int kLoops = 1 << 15, kTileLoops = 1 << 8, kIndependent = 14;

// Independent accumulators hide the latency; assembly, so that no compiler removes or reorders them.
#define BW_14(line, r)                                                                                          \
  line(r, 0) line(r, 1) line(r, 2) line(r, 3) line(r, 4) line(r, 5) line(r, 6) line(r, 7) line(r, 8) line(r, 9) \
      line(r, 10) line(r, 11) line(r, 12) line(r, 13)
#define BW_VNNI(r, i) "vpdpbusd %%" #r "14, %%" #r "15, %%" #r #i "\n\t"
#define BW_VEX_VNNI(r, i) "%{vex%} vpdpbusd %%" #r "14, %%" #r "15, %%" #r #i "\n\t"
#define BW_MADDUBS(r, i) "vpmaddubsw %%" #r "14, %%" #r "15, %%" #r #i "\n\t"
#define BW_FMA(r, i) "vfmadd231ps %%" #r "14, %%" #r "15, %%" #r #i "\n\t"
#define BW_CLEAR(r, i) "vpxor %%x" #r #i ", %%x" #r #i ", %%x" #r #i "\n\t"
#define BW_VECTORS                                                                                                \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15", "memory"
#define BW_STREAM(name, line, r)                                                                  \
  void name() {                                                                                   \
    asm volatile(BW_14(BW_CLEAR, mm) "vpxor %%xmm14, %%xmm14, %%xmm14\n\t"                        \
                 "vpxor %%xmm15, %%xmm15, %%xmm15\n\t" ::: BW_VECTORS);                           \
    for (int i = 0; i < kLoops; ++i) asm volatile(BW_14(line, r)::: BW_VECTORS);                  \
    asm volatile("vzeroupper" ::: BW_VECTORS);                                                    \
  }
BW_STREAM(vnni512, BW_VNNI, zmm)
BW_STREAM(vnni256, BW_VEX_VNNI, ymm)
BW_STREAM(maddubs256, BW_MADDUBS, ymm)
BW_STREAM(fma512, BW_FMA, zmm)
BW_STREAM(fma256, BW_FMA, ymm)

constexpr TileConfiguration kTiles;

// Four sums, as the kernel has: a product is busy for 16 cycles.
#define BW_TILES(r, i) "tdpbusd %%tmm6, %%tmm4, %%tmm0\n\ttdpbusd %%tmm7, %%tmm4, %%tmm1\n\t" \
                       "tdpbusd %%tmm6, %%tmm5, %%tmm2\n\ttdpbusd %%tmm7, %%tmm5, %%tmm3\n\t"
void tiles() {
  asm volatile("ldtilecfg %0" : : "m"(kTiles) : "memory");
  for (int i = 0; i < kTileLoops; ++i) asm volatile(BW_14(BW_TILES, tmm)::: "memory");
  asm volatile("tilerelease" ::: "memory");
}

double tile_rate(Threads& threads) {
  const auto usable = [] {
    static thread_local const bool passed = request_tiles() && tiles_pass([]() noexcept { tiles(); return true; });
    return passed;
  };
  std::atomic<bool> all{true};
  constexpr double kMacs = 4.0 * kIndependent * kTileLoops * 16 * 16 * 64;
  const double calls = rate(threads, [&](int64_t) {
    if (usable()) return tiles();
    all = false;
  });
  return all ? kMacs * calls : 0;
}

double stream_rate(Threads& threads, void (*stream)(), int lanes) {
  return kLoops * kIndependent * static_cast<double>(lanes) * rate(threads, [&](int64_t) { stream(); });
}
#endif

#if defined(__x86_64__)
void read_all_avx2(const uint64_t* from, int64_t count) {
  for (const uint64_t* end = from + count / 32 * 32; from != end; from += 32)
    asm volatile("vmovdqu (%0), %%ymm0\n\tvmovdqu 32(%0), %%ymm1\n\tvmovdqu 64(%0), %%ymm2\n\tvmovdqu 96(%0), %%ymm3\n\t"
                 "vmovdqu 128(%0), %%ymm4\n\tvmovdqu 160(%0), %%ymm5\n\tvmovdqu 192(%0), %%ymm6\n\tvmovdqu 224(%0), %%ymm7"
                 ::"r"(from) : BW_VECTORS);
  asm volatile("vzeroupper" ::: BW_VECTORS);
}
#endif

/// What it returns keeps the compiler from leaving the loads out.
uint64_t read_all(const uint64_t* from, int64_t count) {
#if defined(__x86_64__)
  if (machine_has(Isa::avx2)) return read_all_avx2(from, count), 0;
#endif
  uint64_t sum[8] = {};
  for (int64_t i = 0; i + 8 <= count; i += 8)
    for (int lane = 0; lane < 8; ++lane) sum[lane] += from[i + lane];
  return std::accumulate(sum, sum + 8, uint64_t{0});
}

}  // namespace

double peak_macs(Isa isa, Threads& threads) {
#if defined(__x86_64__)
  if (!machine_has(isa)) return 0;
  if (isa == Isa::amx) return tile_rate(threads);
  if (isa == Isa::avx512 || isa == Isa::avx512vbmi) return stream_rate(threads, vnni512, 64);
  if (isa == Isa::avxvnni) return stream_rate(threads, vnni256, 32);
  if (isa == Isa::avx2) return stream_rate(threads, maddubs256, 32);
#endif
  return 0;
}

double peak_float_macs(Isa isa, Threads& threads) {
#if defined(__x86_64__)
  if (!machine_has(isa)) return 0;
  if (isa >= Isa::avx512) return stream_rate(threads, fma512, 16);
  if (isa == Isa::avx2 || isa == Isa::avxvnni) return stream_rate(threads, fma256, 8);
#endif
  return 0;
}

double read_bandwidth(std::span<const std::byte> memory, Threads& threads) {
  const int64_t words = std::ssize(memory) / 256 / threads.count() * 32;  // of each, in what read_all takes at once
  const int64_t passes = std::max<int64_t>(1, (1 << 19) / words);  // looking at the clock takes as long as reading some 10 KiB
  static std::atomic<uint64_t> kept;
  const double calls = rate(threads, [&](int64_t thread) {
    const auto* mine = reinterpret_cast<const uint64_t*>(memory.data()) + thread * words;
    uint64_t sum = 0;
    for (int64_t pass = 0; pass < passes; ++pass) sum += read_all(mine, words);
    kept += sum;
  });
  return calls * static_cast<double>(passes * words) * 8;
}

double read_bandwidth(int64_t bytes, Threads& threads) {
  const Tensor memory(DType::i8, {std::max<int64_t>(bytes, int64_t{threads.count()} << 14)});
  return read_bandwidth(std::as_bytes(memory.values<int8_t>()), threads);
}

}  // namespace bitwright
