// The kernel of codes.hpp for one instruction set: codes_<isa>.cpp includes this with BW_RMS_NAME and BW_LANES.
#pragma once

#include "kernels/rows/codes.hpp"
#include "kernels/rows/vectors.hpp"

namespace bitwright {
namespace {

/// Squares of 16-bit differences are added in pairs, at most 2 * 255^2 to a lane at a time: so many of them before a lane of 32
/// bits could overflow.
constexpr int64_t kSteps = int64_t{1} << 13;

#if BW_LANES == 16
constexpr int64_t kBytes = 32;
BW_INLINE F floats_of(const uint8_t* from) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
BW_INLINE int64_t sum_of_squares(const uint8_t* from, int64_t steps, int32_t zero) {
  const __m512i middle = _mm512_set1_epi16(static_cast<int16_t>(zero));
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < steps; ++i) {
    const __m512i x = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * kBytes)));
    const __m512i d = _mm512_sub_epi16(x, middle);
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(d, d));
  }
  alignas(64) int32_t lanes[16];
  _mm512_store_si512(lanes, sum);
  int64_t all = 0;
  for (const int32_t lane : lanes) all += lane;
  return all;
}
#elif BW_LANES == 8
constexpr int64_t kBytes = 16;
BW_INLINE F floats_of(const uint8_t* from) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
BW_INLINE int64_t sum_of_squares(const uint8_t* from, int64_t steps, int32_t zero) {
  const __m256i middle = _mm256_set1_epi16(static_cast<int16_t>(zero));
  __m256i sum = _mm256_setzero_si256();
  for (int64_t i = 0; i < steps; ++i) {
    const __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * kBytes)));
    const __m256i d = _mm256_sub_epi16(x, middle);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(d, d));
  }
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
  int64_t all = 0;
  for (const int32_t lane : lanes) all += lane;
  return all;
}
#else
constexpr int64_t kBytes = 1;
BW_INLINE F floats_of(const uint8_t* from) { return each([&](int i) { return static_cast<float>(from[i]); }); }
BW_INLINE int64_t sum_of_squares(const uint8_t* from, int64_t steps, int32_t zero) {
  int64_t all = 0;
  for (int64_t i = 0; i < steps; ++i) all += int64_t{from[i] - zero} * (from[i] - zero);
  return all;
}
#endif

BW_INLINE int64_t squares_of_row(const uint8_t* row, int64_t length, int32_t zero) {
  int64_t all = 0, i = 0;
  while (i + kBytes <= length) {
    const int64_t left = (length - i) / kBytes, steps = left < kSteps ? left : kSteps;
    all += sum_of_squares(row + i, steps, zero);
    i += steps * kBytes;
  }
  for (; i < length; ++i) all += int64_t{row[i] - zero} * (row[i] - zero);
  return all;
}

BW_INLINE void rms_row(const RmsCodesArgs& args, const uint8_t* src, float* dst) {
  const double step = args.step, mean = static_cast<double>(squares_of_row(src, args.length, args.zero)) * step * step / static_cast<double>(args.length);
  const float factor = static_cast<float>(step / __builtin_sqrt(mean + static_cast<double>(args.epsilon)));
  const F factors = splat(factor), middle = splat(static_cast<float>(args.zero));
  int64_t i = 0;
  for (; i + kLanes <= args.length; i += kLanes) store(dst + i, (floats_of(src + i) - middle) * factors * load(args.scale + i));
  for (; i < args.length; ++i) dst[i] = static_cast<float>(src[i] - args.zero) * factor * args.scale[i];
}

}  // namespace

void BW_RMS_NAME(const RmsCodesArgs& args, int64_t row0, int64_t row1) noexcept {
  for (int64_t r = row0; r < row1; ++r) rms_row(args, args.src + r * args.length, args.dst + r * args.length);
}

}  // namespace bitwright
