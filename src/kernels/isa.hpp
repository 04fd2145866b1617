// Which instruction sets a kernel may use: what the machine and its system offer, capped by BITWRIGHT_ISA.
// Integer results are the same on all of them; only speed differs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bitwright {

/// Weakest first. A cap allows itself and everything before it that the machine has: avx512 machines without AVX-VNNI
/// exist.
enum class Isa : uint8_t { ref, avx2, avxvnni, avx512, avx512vbmi, amx };

std::string_view name_of(Isa isa);
/// What the processor and the operating system offer, whatever the environment says. avx2 here includes FMA, avx512 means
/// F, BW, VL and VNNI (Intel since Cascade Lake, AMD since Zen 4); avx512vbmi that and permutations of bytes (Intel since Ice Lake);
/// amx means that and tiles, their 8-bit products and the system's leave to use them.
bool machine_has(Isa isa);
#if defined(__x86_64__)
/// Asks Linux (5.16) for leave to use AMX tiles: of the process, once. Workers ask again, which costs little: kernels were seen
/// that forgot them.
bool request_tiles() noexcept;
#endif
/// The value of BITWRIGHT_ISA, or amx when unset. Throws Error{usage} naming the choices for any other word.
Isa isa_cap();
/// Why kernels of `isa` may not run, or null.
const char* isa_refuses(Isa isa, Isa cap);

/// Why a kernel of a table was not chosen.
struct Refusal {
  std::string kernel;
  std::string reason;
};

}  // namespace bitwright
