// Sums of the weights above and below zero, all that the reach of an accumulator depends on: plain loops that vectorise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bitwright {

struct SignedSums {
  int64_t above = 0, below = 0;  // of w - zero: the positive ones, the negative ones
};

/// Of `count` neighbouring weights, |w - zero| < 2^17.
template <class T>
SignedSums signed_sums(const T* w, int64_t count, int32_t zero) {
  constexpr int64_t kBlock = 1 << 13;  // int32 holds the sum of so many
  SignedSums sums;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int32_t above = 0, all = 0;
    for (int64_t i = begin, end = std::min(count, begin + kBlock); i < end; ++i) {
      const int32_t value = w[i] - zero;
      above += value > 0 ? value : 0;
      all += value;
    }
    sums.above += above;
    sums.below += all - above;
  }
  return sums;
}

/// Of `columns` columns of k weights each, w[column * column_stride + i * k_stride]; zeros: one per column, or null.
template <class T>
std::vector<SignedSums> signed_sums(const T* w, int64_t k, int64_t columns, int64_t k_stride, int64_t column_stride, const int32_t* zeros) {
  std::vector<SignedSums> sums(static_cast<size_t>(columns));
  const auto zero = [&](int64_t c) { return zeros ? zeros[c] : 0; };
  if (k_stride == 1) {
    for (int64_t c = 0; c < columns; ++c) sums[static_cast<size_t>(c)] = signed_sums(w + c * column_stride, k, zero(c));
    return sums;
  }
  for (int64_t i = 0; i < k; ++i)
    for (int64_t c = 0; c < columns; ++c) {
      const int32_t value = w[c * column_stride + i * k_stride] - zero(c);
      sums[static_cast<size_t>(c)].above += std::max(value, 0);
      sums[static_cast<size_t>(c)].below += std::min(value, 0);
    }
  return sums;
}

}  // namespace bitwright
