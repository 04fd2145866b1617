#include "kernels/dot/pack.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace bitwright {
namespace {

constexpr int64_t kWidest = 64, kVector = 16;
constexpr size_t kPadding = 64;

void layout(PackedWeights& p) {
  const int64_t per_group = p.columns / p.groups;
  int64_t at = 0;
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t c = 0; c < per_group; c += kWidest) {
      const int64_t columns = std::min(kWidest, per_group - c), width = (columns + kVector - 1) / kVector * kVector;
      p.panels.push_back({at, g * per_group + c, static_cast<int32_t>(width), static_cast<int32_t>(columns), true});
      at += p.segments * p.k4() * width * 4;
    }
  p.bytes = Tensor(DType::i8, {at});
}

/// Columns of neighbouring weights, 4 of them at a time; blocks of columns so that whole lines of the cache are written.
void fill_by_words(const PackedWeights& p, const PackedPanel& panel, const WeightSource& from, int8_t* out) {
  for (int64_t s = 0; s < p.segments; ++s)
    for (int64_t begin = 0; begin < panel.columns; begin += kVector)
      for (int64_t k = 0; k < p.k; k += 4) {
        int8_t* to = out + (s * p.k4() + k / 4) * panel.width * 4;
        const auto bytes = static_cast<size_t>(std::min<int64_t>(4, p.k - k));
        for (int64_t c = begin; c < std::min<int64_t>(panel.columns, begin + kVector); ++c) {
          const int8_t* at = from.data + (panel.column + c) * from.column_stride + s * from.segment_stride + k;
          if (bytes == 4) std::memcpy(to + c * 4, at, 4);
          else std::memcpy(to + c * 4, at, bytes);
        }
      }
}

/// Rows of neighbouring columns, 4 rows at a time.
void fill_by_rows(const PackedWeights& p, const PackedPanel& panel, const WeightSource& from, int8_t* out) {
  for (int64_t s = 0; s < p.segments; ++s)
    for (int64_t k = 0; k < p.k; ++k) {
      const int8_t* row = from.data + panel.column * from.column_stride + s * from.segment_stride + k * from.k_stride;
      int8_t* to = out + (s * p.k4() + k / 4) * panel.width * 4 + k % 4;
      for (int64_t c = 0; c < panel.columns; ++c) to[c * 4] = row[c * from.column_stride];
    }
}

// vpmaddubsw adds two neighbouring products with int16 saturation.
bool pairs_fit(const int8_t* bytes, int64_t count, int64_t largest_code) {
  for (int64_t i = 0; i + 1 < count; i += 2) {
    const int64_t up = std::max<int64_t>(bytes[i], 0) + std::max<int64_t>(bytes[i + 1], 0);
    const int64_t down = std::min<int64_t>(bytes[i], 0) + std::min<int64_t>(bytes[i + 1], 0);
    if (up * largest_code > 32767 || down * largest_code < -32768) return false;
  }
  return true;
}

/// What the codes' zero point adds to each column, and the accumulators that the columns reach.
void fold_columns(PackedWeights& p, const WeightSource& from, const int32_t* bias, SrcCodes src) {
  std::vector<SignedSums> sums(static_cast<size_t>(p.columns));
  for (int64_t s = 0; s < p.segments; ++s) {
    const auto part = signed_sums(from.data + s * from.segment_stride, p.k, p.columns, from.k_stride, from.column_stride, nullptr);
    for (size_t c = 0; c < sums.size(); ++c) sums[c].above += part[c].above, sums[c].below += part[c].below;
  }
  for (size_t c = 0; c < sums.size(); ++c) {
    const int64_t b = bias ? bias[c] : 0, sum = sums[c].above + sums[c].below;
    p.sum[c] = static_cast<int32_t>(sum);
    p.offset[c] = static_cast<int32_t>(static_cast<uint32_t>(b - src.zero * sum));  // may wrap
    p.reach.push_back(reach_of(src, b, sums[c]));
  }
}

}  // namespace

Reach reach_of(SrcCodes src, int64_t bias, SignedSums weights) {
  const int64_t span = int64_t{src.hi} - src.lo;  // of code - zero: from `least` <= 0 to `most` >= 0
  const int64_t least = src.dynamic ? -span : std::min<int64_t>(0, int64_t{src.lo} - src.zero);
  const int64_t most = src.dynamic ? span : std::max<int64_t>(0, int64_t{src.hi} - src.zero);
  return {bias + least * weights.above + most * weights.below, bias + most * weights.above + least * weights.below};
}

bool fits_int32(const std::vector<Reach>& reach) {
  return std::all_of(reach.begin(), reach.end(), [](Reach r) {
    return r.lo >= std::numeric_limits<int32_t>::min() && r.hi <= std::numeric_limits<int32_t>::max();
  });
}

PackedWeights pack_weights(int64_t groups, int64_t columns, int64_t segments, int64_t k, WeightSource from,
                           const int32_t* bias, SrcCodes src) {
  BW_CHECK(groups > 0 && columns % groups == 0);
  PackedWeights p;
  p.groups = groups;
  p.columns = columns;
  p.segments = segments;
  p.k = k;
  p.src_zero = src.zero;
  layout(p);
  p.sum.resize(static_cast<size_t>(columns) + kPadding);
  p.offset.resize(static_cast<size_t>(columns) + kPadding);
  fold_columns(p, from, bias, src);
  for (PackedPanel& panel : p.panels) {
    int8_t* bytes = p.bytes.values<int8_t>().data() + panel.at;
    from.k_stride == 1 ? fill_by_words(p, panel, from, bytes) : fill_by_rows(p, panel, from, bytes);
    panel.pairs_fit = pairs_fit(bytes, segments * p.k4() * panel.width * 4, std::max(src.hi, src.zero));
  }
  p.fits_int32 = fits_int32(p.reach);
  return p;
}

}  // namespace bitwright
