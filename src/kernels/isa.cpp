#include "kernels/isa.hpp"

#include <cstdlib>
#include <iterator>

#include "core/error.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bitwright {
namespace {

constexpr std::string_view kNames[] = {"ref", "avx2", "avxvnni", "avx512", "avx512vbmi", "amx"};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

bool has_avx512vbmi() { return has_avx512() && __builtin_cpu_supports("avx512vbmi"); }

// Neither compiler's __builtin_cpu_supports knows AVX-VNNI in every version we build with: leaf 7.1, EAX bit 4.
bool has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && ((a >> 4) & 1);
}

/// The state components that the system saves and restores: bits of XCR0.
uint64_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

constexpr uint64_t kTileState = uint64_t{3} << 17;  // configuration and data

// Leaf 7: EDX bits 24 and 25 are tiles and their 8-bit products. Leaf 1D: hypervisors exist that pass on the former and no
// palette to configure tiles with.
bool announces_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || ((d >> 24) & 3) != 3) return false;
  if ((saved_state() & kTileState) != kTileState) return false;
  return __get_cpuid_count(0x1d, 0, &a, &b, &c, &d) && a >= 1;
}

bool probe(Isa isa) {
  switch (isa) {
    case Isa::ref: return true;
    case Isa::avx2: return has_avx2();
    case Isa::avxvnni: return has_avxvnni();
    case Isa::avx512: return has_avx512();
    case Isa::avx512vbmi: return has_avx512vbmi();
    case Isa::amx: return has_avx512vbmi() && announces_amx() && request_tiles();
  }
  return false;
}
#else
bool probe(Isa isa) { return isa == Isa::ref; }
#endif

}  // namespace

std::string_view name_of(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

bool machine_has(Isa isa) {
  static const bool found[] = {probe(Isa::ref),    probe(Isa::avx2),       probe(Isa::avxvnni),
                               probe(Isa::avx512), probe(Isa::avx512vbmi), probe(Isa::amx)};
  return found[static_cast<size_t>(isa)];
}

#if defined(__x86_64__)
bool request_tiles() noexcept {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

const char* isa_refuses(Isa isa, Isa cap) {
  if (isa > cap) return "above BITWRIGHT_ISA";
  return machine_has(isa) ? nullptr : "not on this machine";
}

Isa isa_cap() {
  const char* word = std::getenv("BITWRIGHT_ISA");
  if (word == nullptr || *word == '\0') return Isa::amx;
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == word) return static_cast<Isa>(i);
  fail(ErrorCode::usage, "BITWRIGHT_ISA is '", word, "'; it may be ref, avx2, avxvnni, avx512, avx512vbmi or amx");
}

}  // namespace bitwright
