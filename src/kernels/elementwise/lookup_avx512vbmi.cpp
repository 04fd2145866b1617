// 64 table lookups in four instructions.
#include "kernels/elementwise/lookup_avx512.hpp"

namespace bitwright {
namespace {

struct Table {
  __m512i part[4];
  explicit Table(const uint8_t* table) {
    for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(table + 64 * i);
  }
  BW_INLINE __m512i operator()(__m512i x) const {
    const __m512i low = _mm512_permutex2var_epi8(part[0], x, part[1]);  // uses 7 bits of each index
    const __m512i high = _mm512_permutex2var_epi8(part[2], x, part[3]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
  }
};

}  // namespace

void lookup_u8_avx512vbmi(const LookupArgs& args, int64_t begin, int64_t end) noexcept { look_up<Table>(args, begin, end); }

}  // namespace bitwright
