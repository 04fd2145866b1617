#include "kernels/isa.hpp"

#include <cstdlib>
#include <iterator>

#include "core/error.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace bitwright {
namespace {

constexpr std::string_view kNames[] = {"ref", "avx2", "avxvnni", "avx512", "amx"};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512vbmi");
}

// Neither compiler's __builtin_cpu_supports knows AVX-VNNI in every version we build with: leaf 7.1, EAX bit 4.
bool has_avxvnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && ((a >> 4) & 1);
}

bool probe(Isa isa) {
  switch (isa) {
    case Isa::ref: return true;
    case Isa::avx2: return has_avx2();
    case Isa::avxvnni: return has_avxvnni();
    case Isa::avx512: return has_avx512();
    case Isa::amx: return false;  // no kernel uses tiles yet
  }
  return false;
}
#else
bool probe(Isa isa) { return isa == Isa::ref; }
#endif

}  // namespace

std::string_view name_of(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

bool machine_has(Isa isa) {
  static const bool found[] = {probe(Isa::ref), probe(Isa::avx2), probe(Isa::avxvnni), probe(Isa::avx512),
                               probe(Isa::amx)};
  return found[static_cast<size_t>(isa)];
}

const char* isa_refuses(Isa isa, Isa cap) {
  if (isa > cap) return "above BITWRIGHT_ISA";
  return machine_has(isa) ? nullptr : "not on this machine";
}

Isa isa_cap() {
  const char* word = std::getenv("BITWRIGHT_ISA");
  if (word == nullptr || *word == '\0') return Isa::amx;
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == word) return static_cast<Isa>(i);
  fail(ErrorCode::usage, "BITWRIGHT_ISA is '", word, "'; it may be ref, avx2, avxvnni, avx512 or amx");
}

}  // namespace bitwright
