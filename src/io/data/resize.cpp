// Resampling with the arithmetic of Pillow (Imaging/Resample.c describes it): see image.hpp.
#include <algorithm>
#include <cmath>

#include "io/data/image.hpp"

namespace bitwright {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8 bits of value, 2 for the overshoot of bicubic weights and the sign

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

double cubic(double x) {  // Keys 1981, a = -0.5
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

struct Filter {
  double (*weight)(double);
  double support;
};

Filter filter_of(Interpolation interpolation) {
  return interpolation == Interpolation::bilinear ? Filter{triangle, 1} : Filter{cubic, 2};
}

/// Which source pixels one output pixel averages.
struct Taps {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

Taps taps_at(int64_t out, double scale, int64_t in_size, Filter filter) {
  const double stretch = std::max(scale, 1.0);
  const double support = filter.support * stretch;
  const double center = (static_cast<double>(out) + 0.5) * scale;
  Taps taps;
  taps.first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
  const int64_t end = std::min(in_size, static_cast<int64_t>(center + support + 0.5));
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = taps.first; i < end; ++i) {
    weights.push_back(filter.weight((static_cast<double>(i) - center + 0.5) * (1.0 / stretch)));
    sum += weights.back();
  }
  for (double weight : weights) {
    if (sum != 0) weight /= sum;
    taps.weights.push_back(static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kFractionBits)));
  }
  return taps;
}

std::vector<Taps> all_taps(int64_t in_size, int64_t out_size, int64_t first, int64_t count, Filter filter) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  std::vector<Taps> taps;
  for (int64_t i = 0; i < count; ++i) taps.push_back(taps_at(first + i, scale, in_size, filter));
  return taps;
}

/// Sum of weights times values `stride` apart, rounded to 8 bits.
uint8_t weighted(const Taps& taps, const uint8_t* src, int64_t stride) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (const int32_t weight : taps.weights) {
    sum += *src * weight;
    src += stride;
  }
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

}  // namespace

Image resized(const Image& image, int64_t height, int64_t width, Interpolation interpolation, const Window& window) {
  const Filter filter = filter_of(interpolation);
  const auto across = all_taps(image.width, width, window.left, window.width, filter);
  const auto down = all_taps(image.height, height, window.top, window.height, filter);
  const int64_t channels = image.channels, row_size = window.width * channels;
  const int64_t first_row = down.front().first;
  const int64_t rows = down.back().first + static_cast<int64_t>(down.back().weights.size()) - first_row;

  std::vector<uint8_t> narrow(static_cast<size_t>(rows * row_size));
  uint8_t* dst = narrow.data();
  for (int64_t y = 0; y < rows; ++y) {
    const uint8_t* row = image.pixels.data() + (first_row + y) * image.width * channels;
    for (const Taps& taps : across)
      for (int64_t c = 0; c < channels; ++c) *dst++ = weighted(taps, row + taps.first * channels + c, channels);
  }
  Image out{window.height, window.width, channels, {}};
  out.pixels.resize(static_cast<size_t>(window.height * row_size));
  dst = out.pixels.data();
  for (const Taps& taps : down) {
    const uint8_t* top = narrow.data() + (taps.first - first_row) * row_size;
    for (int64_t x = 0; x < row_size; ++x) *dst++ = weighted(taps, top + x, row_size);
  }
  return out;
}

}  // namespace bitwright
