// Transposing in tiles that fit the registers: 16 x 16 bytes, 4 x 4 words, or 16 rows of few columns. For the instruction-set files.
#pragma once

#include <immintrin.h>

#include "kernels/movement/movement.hpp"

namespace bitwright::tiles {

/// dst row r (16 of them, 16 bytes wide) from the 16 rows of src: four rounds of interleaving halves.
BW_INLINE void bytes_16x16(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step) {
  __m128i a[16], b[16];
  BW_UNROLL
  for (int i = 0; i < 16; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i * src_step));
  BW_UNROLL
  for (int i = 0; i < 8; ++i) b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]), b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
  BW_UNROLL
  for (int i = 0; i < 8; ++i) a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]), a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
  BW_UNROLL
  for (int i = 0; i < 8; ++i) b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]), b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
  BW_UNROLL
  for (int i = 0; i < 8; ++i) a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]), a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
  BW_UNROLL
  for (int i = 0; i < 16; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i * dst_step), a[i]);
}

/// Places in 16 bytes of the result, `at` in all of it, of what comes from column `col`: byte b is row b / cols of column
/// b % cols, and the rows of a block are 16. What comes from other columns is 0.
template <int kCols>
BW_INLINE __m128i places_of(int at, int col) {
  alignas(16) uint8_t from[16];
  for (int i = 0; i < 16; ++i) from[i] = static_cast<uint8_t>((at + i) % kCols == col ? (at + i) / kCols : 0x80);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(from));
}

/// 2, 3 or 4 columns of bytes side by side (planes of a picture to pixels), 16 rows at a time; the last 16 overlap those before.
template <int kCols>
BW_INLINE void interleave(const MoveArgs& args) {
  __m128i places[kCols][kCols];
  for (int v = 0; v < kCols; ++v)
    for (int c = 0; c < kCols; ++c) places[v][c] = places_of<kCols>(16 * v, c);
  for (int64_t r = 0; r < args.rows; r += 16) {
    const int64_t row = r + 16 <= args.rows ? r : args.rows - 16;
    __m128i col[kCols];
    BW_UNROLL
    for (int c = 0; c < kCols; ++c) col[c] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(args.src + c * args.src_col + row));
    BW_UNROLL
    for (int v = 0; v < kCols; ++v) {
      __m128i made = _mm_shuffle_epi8(col[0], places[v][0]);
      BW_UNROLL
      for (int c = 1; c < kCols; ++c) made = _mm_or_si128(made, _mm_shuffle_epi8(col[c], places[v][c]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(args.dst + row * kCols + 16 * v), made);
    }
  }
}

BW_INLINE void words_4x4(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step) {
  const auto row = [&](int i) BW_INLINE_LAMBDA { return _mm_loadu_ps(reinterpret_cast<const float*>(src + i * src_step)); };
  __m128 a = row(0), b = row(1), c = row(2), d = row(3);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  const auto put = [&](int i, __m128 v) BW_INLINE_LAMBDA { _mm_storeu_ps(reinterpret_cast<float*>(dst + i * dst_step), v); };
  put(0, a), put(1, b), put(2, c), put(3, d);
}

template <class T>
BW_INLINE void single(const MoveArgs& args, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  constexpr int64_t kSize = sizeof(T);
  for (int64_t r = r0; r < r1; ++r)
    for (int64_t i = c0; i < c1; ++i)
      __builtin_memcpy(args.dst + r * args.dst_row + i * kSize, args.src + i * args.src_col + r * kSize, sizeof(T));
}

/// Tiles of `edge` over all of it. The last of a row or column of tiles overlaps the one before and writes the same once more;
/// what is narrower than one tile goes element by element.
template <class T, class Tile>
BW_INLINE void each_tile(const MoveArgs& args, int64_t edge, Tile tile) {
  constexpr int64_t kSize = sizeof(T);
  if (args.rows < edge || args.cols < edge) return single<T>(args, 0, args.rows, 0, args.cols);
  for (int64_t r = 0; r < args.rows; r += edge) {
    const int64_t row = r + edge <= args.rows ? r : args.rows - edge;
    for (int64_t c = 0; c < args.cols; c += edge) {
      const int64_t col = c + edge <= args.cols ? c : args.cols - edge;
      tile(args.src + col * args.src_col + row * kSize, args.src_col, args.dst + row * args.dst_row + col * kSize, args.dst_row);
    }
  }
}

BW_INLINE void transpose(const MoveArgs& args) {
  switch (args.size) {
    case 1:
      if (args.rows >= 16 && args.dst_row == args.cols) {
        if (args.cols == 2) return interleave<2>(args);
        if (args.cols == 3) return interleave<3>(args);
        if (args.cols == 4) return interleave<4>(args);
      }
      return each_tile<uint8_t>(args, 16, [](const uint8_t* s, int64_t ss, uint8_t* d, int64_t ds)
                                    BW_INLINE_LAMBDA { bytes_16x16(s, ss, d, ds); });
    case 2: return single<uint16_t>(args, 0, args.rows, 0, args.cols);
    case 4:
      return each_tile<uint32_t>(args, 4, [](const uint8_t* s, int64_t ss, uint8_t* d, int64_t ds)
                                     BW_INLINE_LAMBDA { words_4x4(s, ss, d, ds); });
    default: return single<uint64_t>(args, 0, args.rows, 0, args.cols);
  }
}

}  // namespace bitwright::tiles
