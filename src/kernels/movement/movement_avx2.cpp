// Short rows are copied in two pieces that overlap; bytes are picked 16 at a time out of two or three registers.
#include <immintrin.h>

#include "kernels/movement/tiles.hpp"

namespace bitwright {
namespace {

BW_INLINE const uint8_t* row_of(const MoveArgs& args, int64_t r) {
  return args.src + (args.places ? args.places[r] : r * args.src_row);
}

/// The first and the last sizeof(T) of n bytes, sizeof(T) <= n <= 2 * sizeof(T).
template <class T>
BW_INLINE void copy_ends(const uint8_t* from, uint8_t* to, int64_t n) {
  T first, last;
  __builtin_memcpy(&first, from, sizeof(T));
  __builtin_memcpy(&last, from + n - static_cast<int64_t>(sizeof(T)), sizeof(T));
  __builtin_memcpy(to, &first, sizeof(T));
  __builtin_memcpy(to + n - static_cast<int64_t>(sizeof(T)), &last, sizeof(T));
}

BW_INLINE void copy_bytes(const uint8_t* from, uint8_t* to, int64_t n) {
  if (n >= 32) {
    const auto part = [&](int64_t i) BW_INLINE_LAMBDA {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
    };
    for (int64_t i = 0; i + 32 < n; i += 32) part(i);
    return part(n - 32);
  }
  if (n >= 16) return copy_ends<__m128i>(from, to, n);
  if (n >= 8) return copy_ends<uint64_t>(from, to, n);
  if (n >= 4) return copy_ends<uint32_t>(from, to, n);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

/// 16 bytes of the result: those of up to three windows of 16 bytes. Where the window is not whole, one by one.
struct Picks {
  __m128i control[3];
  int64_t window[3];
  int windows;
  int64_t at;
};

/// The windows lie within [lo, hi], so that nothing else is read.
BW_INLINE bool plan(const int32_t* pick, int64_t at, Picks& p) {
  int32_t lo = pick[at], hi = lo;
  for (int i = 1; i < 16; ++i) {
    const int32_t v = pick[at + i];
    lo = v < lo ? v : lo, hi = v > hi ? v : hi;
  }
  p.at = at;
  p.windows = hi - lo < 16 ? 1 : hi - lo < 32 ? 2 : 3;
  if (hi - lo < 15 || hi - lo >= 48) return false;
  alignas(16) uint8_t control[3][16];
  for (int w = 0; w < 3; ++w) p.window[w] = w + 1 == p.windows ? hi - 15 : lo + 16 * w;
  for (int i = 0; i < 16; ++i) {
    const int32_t from = pick[at + i];
    bool found = false;
    for (int w = 0; w < 3; ++w) {
      const bool here = !found && w < p.windows && from >= p.window[w] && from < p.window[w] + 16;
      control[w][i] = here ? static_cast<uint8_t>(from - p.window[w]) : 0x80;
      found = found || here;
    }
  }
  for (int w = 0; w < 3; ++w) p.control[w] = _mm_load_si128(reinterpret_cast<const __m128i*>(control[w]));
  return true;
}

BW_INLINE void pick_16(const MoveArgs& args, const Picks& p) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r);
    __m128i made = _mm_setzero_si128();
    for (int w = 0; w < p.windows; ++w)
      made = _mm_or_si128(made, _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + p.window[w])), p.control[w]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(args.dst + r * args.dst_row + p.at), made);
  }
}

BW_INLINE void pick_single(const MoveArgs& args, int64_t begin, int64_t end) {
  for (int64_t r = 0; r < args.rows; ++r) {
    const uint8_t* from = row_of(args, r);
    for (int64_t i = begin; i < end; ++i) args.dst[r * args.dst_row + i] = from[args.pick[i]];
  }
}

}  // namespace

BW_NOIPA void move_copy_avx2(const MoveArgs& args) noexcept {
  for (int64_t r = 0; r < args.rows; ++r) copy_bytes(row_of(args, r), args.dst + r * args.dst_row, args.cols);
}

BW_NOIPA void move_pick_avx2(const MoveArgs& args) noexcept {
  if (args.cols < 16) return pick_single(args, 0, args.cols);
  for (int64_t i = 0; i < args.cols; i += 16) {
    const int64_t at = i + 16 <= args.cols ? i : args.cols - 16;
    Picks p;
    if (plan(args.pick, at, p)) {
      pick_16(args, p);
    } else {
      pick_single(args, at, at + 16);
    }
  }
}

BW_NOIPA void move_transpose_avx2(const MoveArgs& args) noexcept { tiles::transpose(args); }

}  // namespace bitwright
