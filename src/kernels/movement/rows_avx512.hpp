// What the AVX-512 movement kernels share. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/movement/movement.hpp"

namespace bitwright {
namespace {

BW_INLINE __mmask64 first(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

BW_INLINE const uint8_t* row_of(const MoveArgs& args, int64_t r) {
  return args.src + (args.places ? args.places[r] : r * args.src_row);
}

}  // namespace
}  // namespace bitwright
