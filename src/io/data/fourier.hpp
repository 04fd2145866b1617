// The discrete Fourier transform of frames of sound: networks that clean speech see magnitudes of a spectrum.
#pragma once

#include <complex>
#include <span>

namespace bitwright {

/// In place, any length, unscaled: x[k] = sum_n x[n] exp(-2 pi i k n / N); `inverse`: exp(+...), and the result times 1/N.
void fourier(std::span<std::complex<double>> x, bool inverse = false);

/// Magnitudes of the first N/2 + 1 bins of N real samples: |x[k]|, k = 0 ... N/2. out: [N/2 + 1].
void magnitude_spectrum(std::span<const float> samples, std::span<float> out);

}  // namespace bitwright
