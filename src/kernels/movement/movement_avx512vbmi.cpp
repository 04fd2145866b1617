// 64 bytes are picked out of 128 in one instruction.
#include <immintrin.h>

#include "kernels/movement/rows_avx512.hpp"
#include "kernels/movement/tiles.hpp"

namespace bitwright {
namespace {

/// 64 bytes of the result, out of 128 from `window` on. `near` and `far`: which of them exist.
struct Picks {
  __m512i index;
  __mmask64 near, far, store;
  int64_t window, at;
};

BW_INLINE bool plan(const int32_t* pick, int64_t at, int64_t count, Picks& p) {
  int32_t lo = pick[at], hi = lo;
  for (int64_t i = 1; i < count; ++i) {
    const int32_t v = pick[at + i];
    lo = v < lo ? v : lo, hi = v > hi ? v : hi;
  }
  if (hi - lo >= 128) return false;
  alignas(64) uint8_t index[64];
  for (int64_t i = 0; i < 64; ++i) index[i] = i < count ? static_cast<uint8_t>(pick[at + i] - lo) : 0;
  p.index = _mm512_load_si512(index);
  p.near = first(hi - lo + 1), p.far = hi - lo < 64 ? 0 : first(hi - lo - 63);
  p.store = first(count), p.window = lo, p.at = at;
  return true;
}

BW_INLINE void pick_64(const MoveArgs& args, const Picks& p) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r) + p.window;
    const __m512i near = _mm512_maskz_loadu_epi8(p.near, from);
    const __m512i far = p.far ? _mm512_maskz_loadu_epi8(p.far, from + 64) : near;
    _mm512_mask_storeu_epi8(args.dst + r * args.dst_row + p.at, p.store, _mm512_permutex2var_epi8(near, p.index, far));
  }
}

BW_INLINE void pick_single(const MoveArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r);
    for (int64_t i = begin; i < end; ++i) args.dst[r * args.dst_row + i] = from[args.pick[i]];
  }
}

/// 2, 3 or 4 columns of bytes side by side (planes of a picture to pixels): 64 rows are as many vectors as there are columns.
/// Vector v holds bytes 64 v to 64 v + 63 of the result; byte b of it is row b / cols of column b % cols.
template <int kCols>
BW_INLINE void interleave(const MoveArgs& args) {
  __m512i index[kCols];
  __mmask64 of23[kCols];
  for (int v = 0; v < kCols; ++v) {
    alignas(64) uint8_t from[64];
    of23[v] = 0;
    for (int i = 0; i < 64; ++i) {
      const int byte = 64 * v + i, col = byte % kCols;
      from[i] = static_cast<uint8_t>(byte / kCols + 64 * (col & 1));
      if (col >= 2) of23[v] |= __mmask64{1} << i;
    }
    index[v] = _mm512_load_si512(from);
  }
  for (int64_t r = 0; r < args.rows; r += 64) {
    const int64_t rows = args.rows - r < 64 ? args.rows - r : 64;
    __m512i col[4] = {};
    BW_UNROLL
    for (int c = 0; c < kCols; ++c) col[c] = _mm512_maskz_loadu_epi8(first(rows), args.src + c * args.src_col + r);
    BW_UNROLL
    for (int v = 0; v < kCols; ++v) {
      const int64_t left = rows * kCols - 64 * v;
      __m512i made = _mm512_permutex2var_epi8(col[0], index[v], col[1]);
      if (kCols > 2) made = _mm512_mask_blend_epi8(of23[v], made, _mm512_permutex2var_epi8(col[2], index[v], col[3]));
      if (left > 0) _mm512_mask_storeu_epi8(args.dst + r * kCols + 64 * v, first(left), made);
    }
  }
}

}  // namespace

BW_NOIPA void move_pick_avx512vbmi(const MoveArgs& args) noexcept {
  for (int64_t i = 0; i < args.cols; i += 64) {
    const int64_t count = args.cols - i < 64 ? args.cols - i : 64;
    Picks p;
    if (plan(args.pick, i, count, p)) {
      pick_64(args, p);
    } else {
      pick_single(args, i, i + count);
    }
  }
}

BW_NOIPA void move_transpose_avx512vbmi(const MoveArgs& args) noexcept {
  const bool dense = args.size == 1 && args.dst_row == args.cols;
  if (dense && args.cols == 2) return interleave<2>(args);
  if (dense && args.cols == 3) return interleave<3>(args);
  if (dense && args.cols == 4) return interleave<4>(args);
  tiles::transpose(args);
}

}  // namespace bitwright
