#include "peak.hpp"

#include <time.h>

#include <algorithm>

namespace bitwright {
namespace {

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// 8-bit multiply-adds of one call of a loop of independent instructions, and how many calls a second holds.
template <class F>
double rate(F&& f, double per_call) {
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double begin = thread_seconds();
    int64_t calls = 0;
    double seconds = 0;
    for (; seconds < 0.02; seconds = thread_seconds() - begin, ++calls) f();
    best = std::max(best, static_cast<double>(calls) * per_call / seconds);
  }
  return best;
}

constexpr int kLoops = 10000;

#if defined(__x86_64__)
// 16 independent accumulators hide the latency; assembly, so that no compiler removes or reorders them.
#define BW_16(line, r)                                                                                          \
  line(r, 0) line(r, 1) line(r, 2) line(r, 3) line(r, 4) line(r, 5) line(r, 6) line(r, 7) line(r, 8) line(r, 9) \
      line(r, 10) line(r, 11) line(r, 12) line(r, 13)
#define BW_VNNI(r, i) "vpdpbusd %%" #r "14, %%" #r "15, %%" #r #i "\n\t"
#define BW_MADDUBS(r, i) "vpmaddubsw %%" #r "14, %%" #r "15, %%" #r #i "\n\t"

void vnni512() {
  for (int i = 0; i < kLoops; ++i) asm volatile(BW_16(BW_VNNI, zmm)::: "memory");
}
void maddubs256() {
  for (int i = 0; i < kLoops; ++i) asm volatile(BW_16(BW_MADDUBS, ymm)::: "memory");
}
#endif

}  // namespace

double peak_macs(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512 && machine_has(isa)) {
    static const double peak = rate(vnni512, kLoops * 14.0 * 64);
    return peak;
  }
  if (isa == Isa::avx2 && machine_has(isa)) {
    static const double peak = rate(maddubs256, kLoops * 14.0 * 32);
    return peak;
  }
#endif
  return 0;
}

}  // namespace bitwright
