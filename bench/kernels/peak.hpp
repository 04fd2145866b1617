// What the machine could do at most: measured, not looked up.
#pragma once

#include "kernels/isa.hpp"

namespace bitwright {

/// 8-bit multiply-adds per second of a stream of the instruction set's multiply instruction alone (avx512: vpdpbusd
/// zmm, avx2: vpmaddubsw ymm without the two instructions that must follow it); 0 where it is not known.
double peak_macs(Isa isa);

}  // namespace bitwright
