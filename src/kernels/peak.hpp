// What this machine could do at most: measured in some milliseconds, not looked up. Virtual machines tell little of the cores
// below them, and clocks change.
#pragma once

#include <cstddef>
#include <span>

#include "core/threads.hpp"
#include "kernels/isa.hpp"

namespace bitwright {

/// 8-bit multiply-adds per second of all threads together, in a stream of the instruction set's multiply instruction alone
/// (amx: tdpbusd, avx512: vpdpbusd zmm, avxvnni: ymm, avx2: vpmaddubsw ymm without the two instructions that must follow it); 0 where it is
/// not known or the machine lacks it.
double peak_macs(Isa isa, Threads& threads);

/// The same of float32 (vfmadd231ps).
double peak_float_macs(Isa isa, Threads& threads);

/// Bytes per second at which the threads together read `bytes` of memory again and again, each its own part: that of a
/// cache where they fit one.
double read_bandwidth(int64_t bytes, Threads& threads);
/// The same of memory that the caller has, at least 256 bytes for each thread.
double read_bandwidth(std::span<const std::byte> memory, Threads& threads);

}  // namespace bitwright
