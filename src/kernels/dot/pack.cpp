#include "kernels/dot/pack.hpp"

#include <algorithm>
#include <limits>

namespace bitwright {
namespace {

constexpr int64_t kWidest = 64, kVector = 16;
constexpr size_t kPadding = 64;

int8_t weight_at(const WeightSource& from, int64_t column, int64_t segment, int64_t k) {
  return from.data[column * from.column_stride + segment * from.segment_stride + k * from.k_stride];
}

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

void fill(const PackedWeights& p, const PackedPanel& panel, const WeightSource& from, int8_t* out) {
  for (int64_t c = 0; c < panel.columns; ++c)
    for (int64_t s = 0; s < p.segments; ++s)
      for (int64_t k = 0; k < p.k; ++k)
        out[((s * p.k4() + k / 4) * panel.width + c) * 4 + k % 4] = weight_at(from, panel.column + c, s, k);
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

void fold_column(PackedWeights& p, int64_t column, const WeightSource& from, int64_t bias, SrcCodes src) {
  ReachSum reach(src, bias);
  int64_t sum = 0;
  for (int64_t s = 0; s < p.segments; ++s)
    for (int64_t k = 0; k < p.k; ++k) {
      const int64_t w = weight_at(from, column, s, k);
      reach.add(w);
      sum += w;
    }
  p.sum[static_cast<size_t>(column)] = static_cast<int32_t>(sum);
  p.offset[static_cast<size_t>(column)] =
      static_cast<int32_t>(static_cast<uint32_t>(bias - src.zero * sum));  // may wrap
  p.reach.push_back(reach.reach());
}

}  // namespace

ReachSum::ReachSum(SrcCodes src, int64_t bias) : reach_{bias, bias} {
  const int64_t span = int64_t{src.hi} - src.lo;
  least_ = src.dynamic ? -span : std::min<int64_t>(0, int64_t{src.lo} - src.zero);
  most_ = src.dynamic ? span : std::max<int64_t>(0, int64_t{src.hi} - src.zero);
}

void ReachSum::add(int64_t weight) {
  reach_.lo += (weight < 0 ? most_ : least_) * weight;
  reach_.hi += (weight < 0 ? least_ : most_) * weight;
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
  for (int64_t c = 0; c < columns; ++c) fold_column(p, c, from, bias ? bias[c] : 0, src);
  for (PackedPanel& panel : p.panels) {
    int8_t* bytes = p.bytes.values<int8_t>().data() + panel.at;
    fill(p, panel, from, bytes);
    panel.pairs_fit = pairs_fit(bytes, segments * p.k4() * panel.width * 4, std::max(src.hi, src.zero));
  }
  p.fits_int32 = fits_int32(p.reach);
  return p;
}

}  // namespace bitwright
