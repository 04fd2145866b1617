// The walk of a lookup over its codes, 64 at a time; a Table is what looks 64 up. Everything here has internal linkage.
#pragma once

#include <immintrin.h>

#include "kernels/attributes.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {
namespace {

template <class Table>
BW_INLINE void look_up(const LookupArgs& args, int64_t begin, int64_t end) {
  const Table table(args.table);
  int64_t i = begin;
  for (; i + 128 <= end; i += 128) {
    const __m512i x = _mm512_loadu_si512(args.src + i), y = _mm512_loadu_si512(args.src + i + 64);
    _mm512_storeu_si512(args.dst + i, table(x));
    _mm512_storeu_si512(args.dst + i + 64, table(y));
  }
  for (; i < end; i += 64) {
    const __mmask64 mask = end - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (end - i)) - 1;
    _mm512_mask_storeu_epi8(args.dst + i, mask, table(_mm512_maskz_loadu_epi8(mask, args.src + i)));
  }
}

}  // namespace
}  // namespace bitwright
