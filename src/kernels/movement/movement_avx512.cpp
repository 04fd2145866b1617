// Masked loads and stores leave nothing over.
#include "kernels/movement/rows_avx512.hpp"

namespace bitwright {

BW_NOIPA void move_copy_avx512(const MoveArgs& args) noexcept {
  const int64_t whole = args.cols / 64 * 64;
  const __mmask64 rest = first(args.cols - whole);
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r);
    uint8_t* to = args.dst + r * args.dst_row;
    for (int64_t i = 0; i < whole; i += 64) _mm512_storeu_si512(to + i, _mm512_loadu_si512(from + i));
    if (rest) _mm512_mask_storeu_epi8(to + whole, rest, _mm512_maskz_loadu_epi8(rest, from + whole));
  }
}

}  // namespace bitwright
