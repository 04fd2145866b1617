// Copies of a pixel's few bytes without a call to memcpy, which costs more than the copy.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/attributes.hpp"

namespace bitwright {

struct Bytes16 {
  uint64_t word[2];
};

/// The first and the last word of `count` bytes: all of them if that is at most twice a word, and at least one.
template <class Word>
BW_INLINE void copy_ends(uint8_t* dst, const uint8_t* src, int64_t count) {
  Word head, tail;
  std::memcpy(&head, src, sizeof head);
  std::memcpy(&tail, src + count - static_cast<int64_t>(sizeof tail), sizeof tail);
  std::memcpy(dst, &head, sizeof head);
  std::memcpy(dst + count - static_cast<int64_t>(sizeof tail), &tail, sizeof tail);
}

BW_INLINE void copy_bytes(uint8_t* dst, const uint8_t* src, int64_t count) {
  if (count > 64)
    std::memcpy(dst, src, static_cast<size_t>(count));
  else if (count >= 16) {
    for (int64_t i = 0; i + 32 <= count; i += 16) copy_ends<Bytes16>(dst + i, src + i, 16);
    copy_ends<Bytes16>(dst + (count - 16) / 16 * 16, src + (count - 16) / 16 * 16, count - (count - 16) / 16 * 16);
  } else if (count >= 8)
    copy_ends<uint64_t>(dst, src, count);
  else if (count >= 4)
    copy_ends<uint32_t>(dst, src, count);
  else
    for (int64_t i = 0; i < count; ++i) dst[i] = src[i];
}

/// `count` columns of `channels` bytes each; at most `to_step` bytes of each are written.
BW_INLINE void copy_columns(uint8_t* to, int64_t to_step, const uint8_t* src, int64_t src_step, int64_t channels, int64_t count) {
  for (int64_t i = 0; i < count; ++i, to += to_step, src += src_step) {
    if (channels == 64)
      std::memcpy(to, src, 64);
    else if (channels == 32)
      std::memcpy(to, src, 32);
    else if (channels == 16)
      std::memcpy(to, src, 16);
    else
      copy_bytes(to, src, channels);
  }
}

}  // namespace bitwright
