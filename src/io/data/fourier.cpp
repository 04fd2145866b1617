#include "io/data/fourier.hpp"

#include <algorithm>
#include <bit>
#include <numbers>
#include <vector>

#include "core/error.hpp"

namespace bitwright {
namespace {

using Complex = std::complex<double>;

// Even lengths are halved (Cooley and Tukey 1965), what is left is the plain sum. `work` is as long as x.
void transform(Complex* x, size_t n, double sign, Complex* work) {
  const double turn = sign * 2 * std::numbers::pi / static_cast<double>(n);
  if (n % 2 != 0) {
    std::copy_n(x, n, work);
    for (size_t k = 0; k < n; ++k) {
      x[k] = 0;
      for (size_t i = 0; i < n; ++i) x[k] += work[i] * std::polar(1.0, turn * static_cast<double>(k * i % n));
    }
    return;
  }
  const size_t half = n / 2;
  for (size_t i = 0; i < half; ++i) work[i] = x[2 * i], work[half + i] = x[2 * i + 1];
  transform(work, half, sign, x);
  transform(work + half, half, sign, x);
  for (size_t k = 0; k < half; ++k) {
    const Complex odd = work[half + k] * std::polar(1.0, turn * static_cast<double>(k));
    x[k] = work[k] + odd;
    x[half + k] = work[k] - odd;
  }
}

}  // namespace

void fourier(std::span<Complex> x, bool inverse) {
  if (x.empty()) return;
  std::vector<Complex> work(x.size());
  transform(x.data(), x.size(), inverse ? 1 : -1, work.data());
  if (inverse)
    for (Complex& v : x) v /= static_cast<double>(x.size());
}

void magnitude_spectrum(std::span<const float> samples, std::span<float> out) {
  BW_CHECK(out.size() == samples.size() / 2 + 1);
  constexpr size_t kMostOdd = 4096;  // the plain sum over an odd factor takes its square
  if (samples.size() > 0 && samples.size() >> std::countr_zero(samples.size()) > kMostOdd)
    fail(ErrorCode::usage, "the spectrum of ", samples.size(), " samples at once would take too long: give `frame` in the data's "
         "description, best a power of two");
  std::vector<Complex> x(samples.begin(), samples.end());
  fourier(x);
  for (size_t k = 0; k < out.size(); ++k) out[k] = static_cast<float>(std::abs(x[k]));
}

}  // namespace bitwright
