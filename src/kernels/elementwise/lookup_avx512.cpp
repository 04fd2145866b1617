// Without VBMI the entries are looked up as 128 words of two: one vpermi2w finds a word among 64 (two cycles of port 5), and
// 16 vpshufb, the other way to do it, would take twice as long.
#include "kernels/elementwise/lookup_avx512.hpp"

namespace bitwright {
namespace {

struct Table {
  __m512i part[4];
  explicit Table(const uint8_t* table) {
    for (int i = 0; i < 4; ++i) part[i] = _mm512_loadu_si512(table + 64 * i);
  }

  /// Words that hold the entries of 32 codes: `word`, a code without its last bit (bits above 6 are ignored), and its bit 7.
  BW_INLINE __m512i find(__m512i word, __mmask32 upper) const {
    const __m512i low = _mm512_permutex2var_epi16(part[0], word, part[1]);
    const __m512i high = _mm512_permutex2var_epi16(part[2], word, part[3]);
    return _mm512_mask_blend_epi16(upper, low, high);
  }

  /// Lanes of 16 bits hold two codes: the even one's entry ends in the lower byte, the odd one's in the upper.
  BW_INLINE __m512i operator()(__m512i x) const {
    const __m512i even = find(_mm512_srli_epi16(x, 1), _mm512_test_epi16_mask(x, _mm512_set1_epi16(0x80)));
    const __m512i odd = find(_mm512_srli_epi16(x, 9), _mm512_movepi16_mask(x));
    const __mmask32 even_last = _mm512_test_epi16_mask(x, _mm512_set1_epi16(1));
    const __mmask32 odd_first = _mm512_testn_epi16_mask(x, _mm512_set1_epi16(0x100));
    return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaa, _mm512_mask_srli_epi16(even, even_last, even, 8),
                                  _mm512_mask_slli_epi16(odd, odd_first, odd, 8));
  }
};

}  // namespace

void lookup_u8_avx512(const LookupArgs& args, int64_t begin, int64_t end) noexcept { look_up<Table>(args, begin, end); }

}  // namespace bitwright
