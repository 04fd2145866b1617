// Windows, DFT, STFT, MelWeightMatrix: audio front ends. Computed in double; a transform is the plain sum of its
// definition with a table of roots of unity.
#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "ops/emit.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

using Complex = std::complex<double>;
constexpr double kTau = 2 * std::numbers::pi;

int64_t positive_scalar(const OpContext& c, size_t i, const char* what) {
  const Tensor& t = c.data(i);
  if (t.elements() != 1) c.malformed(str(what, " must be one number"));
  const int64_t value = value_as_int(t, 0);
  if (value < 1 || value > (int64_t{1} << 30)) c.malformed(str(what, " is ", value));
  return value;
}

// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N); symmetric windows have N - 1 in place of N.
void run_window(OpContext& c, double a0, double a1, double a2) {
  const int64_t size = positive_scalar(c, 0, "size");
  const auto type = static_cast<DType>(c.node().attr_int("output_datatype", static_cast<int64_t>(DType::f32)));
  RealOutput y(c, 0, type, {size});
  if (c.shape_only()) return;
  const bool periodic = c.node().attr_int("periodic", 1) != 0;
  const auto n = static_cast<double>(periodic ? size : size - 1);
  for (int64_t i = 0; i < size; ++i) {
    const double turn = n > 0 ? kTau * static_cast<double>(i) / n : 0;
    y.data()[i] = static_cast<float>(a0 - a1 * std::cos(turn) + a2 * std::cos(2 * turn));
  }
  y.finish();
}

void run_hann(OpContext& c) { run_window(c, 0.5, 0.5, 0); }
void run_hamming(OpContext& c) { run_window(c, 25.0 / 46, 1 - 25.0 / 46, 0); }
void run_blackman(OpContext& c) { run_window(c, 0.42, 0.5, 0.08); }

std::vector<Complex> roots(int64_t n, bool inverse) {
  std::vector<Complex> table;
  for (int64_t i = 0; i < n; ++i)
    table.push_back(std::polar(1.0, (inverse ? kTau : -kTau) * static_cast<double>(i) / static_cast<double>(n)));
  return table;
}

// The first `bins` of the transform of length table.size() of x (shorter inputs are filled up with zeros).
void fourier_sum(std::span<const Complex> x, const std::vector<Complex>& table, double scale, std::span<Complex> bins) {
  const size_t n = table.size();
  for (size_t k = 0; k < bins.size(); ++k) {
    Complex sum = 0;
    size_t at = 0;  // k * i modulo n
    for (size_t i = 0; i < std::min(x.size(), n); ++i, at = (at + k) % n) sum += x[i] * table[at];
    bins[k] = sum * scale;
  }
}

// Inputs: x [..., n, 1 or 2], dft_length, axis. A one-sided inverse takes the first half of a Hermitian spectrum.
void run_dft(OpContext& c) {
  const Shape in = c.input(0).shape();
  const int64_t rank = std::ssize(in);
  if (rank < 2 || (in.back() != 1 && in.back() != 2))
    c.malformed(str("the signal has shape ", to_string(in), ", wanted [...,n,1] or [...,n,2]"));
  const auto axis = static_cast<size_t>(normal_axis(c, c.has(2) ? value_as_int(c.data(2), 0) : -2, rank));
  if (axis + 1 == in.size()) c.malformed("the last axis holds real and imaginary parts and cannot be transformed");
  const bool inverse = c.node().attr_int("inverse", 0) != 0, onesided = c.node().attr_int("onesided", 0) != 0;
  const int64_t length = c.has(1) ? positive_scalar(c, 1, "dft_length") : inverse && onesided ? 2 * (in[axis] - 1) : in[axis];
  if (length < 1) c.malformed("the signal is empty");
  Shape shape = in;
  shape[axis] = onesided && !inverse ? length / 2 + 1 : length;
  shape.back() = onesided && inverse ? 1 : 2;
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const auto table = roots(length, inverse);
  const int64_t parts = in.back(), out_parts = shape.back();
  const int64_t inner = elements_of(std::span(in).subspan(axis + 1)) / parts, outer = elements_of(std::span(in).first(axis));
  std::vector<Complex> row(static_cast<size_t>(in[axis])), bins(static_cast<size_t>(shape[axis]));
  for (int64_t i = 0; i < outer * inner; ++i) {
    auto at = [&](int64_t n, const Shape& s, int64_t p) { return ((i / inner * s[axis] + n) * inner + i % inner) * p; };
    for (int64_t n = 0; n < in[axis]; ++n) {
      const float* v = x.data + at(n, in, parts);
      row[static_cast<size_t>(n)] = {static_cast<double>(v[0]), parts == 2 ? static_cast<double>(v[1]) : 0.0};
    }
    if (onesided && inverse) {
      row.resize(static_cast<size_t>(length));
      for (int64_t n = length / 2 + 1; n < length; ++n) row[static_cast<size_t>(n)] = std::conj(row[static_cast<size_t>(length - n)]);
    }
    fourier_sum(row, table, inverse ? 1 / static_cast<double>(length) : 1, bins);
    for (int64_t n = 0; n < shape[axis]; ++n) {
      float* to = y.data() + at(n, shape, out_parts);
      to[0] = static_cast<float>(bins[static_cast<size_t>(n)].real());
      if (out_parts == 2) to[1] = static_cast<float>(bins[static_cast<size_t>(n)].imag());
    }
    row.resize(static_cast<size_t>(in[axis]));
  }
  y.finish();
}

// Until opset 19 the axis was an attribute, 1 by default.
void upgrade_dft(UpgradeContext& u) {
  if (u.opset >= 20) return;
  const int64_t axis = u.node.attr_int("axis", 1);
  u.node.attributes.erase("axis");
  u.node.inputs.resize(3, ValueId::none);
  u.node.inputs[2] = u.constant("axis", Tensor::scalar(axis));
}

// Inputs: signal [batch, n, 1 or 2], frame_step, window, frame_length.
void run_stft(OpContext& c) {
  const Shape in = c.input(0).shape();
  if (in.size() < 2 || in.size() > 3) c.malformed(str("the signal has shape ", to_string(in), ", wanted [batch,n,1]"));
  const int64_t parts = in.size() == 3 ? in[2] : 1, step = positive_scalar(c, 1, "frame_step");
  if (parts != 1 && parts != 2) c.malformed(str("the signal has ", parts, " parts, wanted 1 or 2"));
  if (!c.has(2) && !c.has(3)) c.malformed("neither window nor frame_length is given");
  const int64_t length = c.has(3) ? positive_scalar(c, 3, "frame_length") : c.input(2).elements();
  if (c.has(2) && c.input(2).shape() != Shape{length}) c.malformed(str("the window has shape ", to_string(c.input(2).shape())));
  if (length > in[1]) c.malformed(str("frames of ", length, " do not fit a signal of ", in[1]));
  const int64_t frames = (in[1] - length) / step + 1;
  const bool onesided = c.node().attr_int("onesided", 1) != 0;
  const int64_t bins = onesided ? length / 2 + 1 : length;
  RealOutput y(c, 0, real_type(c, 0), {in[0], frames, bins, 2});
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const Tensor window = c.has(2) ? to_f32(c.data(2)) : Tensor();
  const auto table = roots(length, false);
  float* to = y.data();
  c.parallel(in[0] * frames, 1, [&](int64_t begin, int64_t end) {
    std::vector<Complex> row(static_cast<size_t>(length)), spectrum(static_cast<size_t>(bins));
    for (int64_t f = begin; f < end; ++f) {
      const float* from = x.data + (f / frames * in[1] + f % frames * step) * parts;
      for (size_t i = 0; i < row.size(); ++i) {
        const double w = window.empty() ? 1.0 : static_cast<double>(window.values<float>()[i]);
        const float* v = from + static_cast<int64_t>(i) * parts;
        row[i] = {w * static_cast<double>(v[0]), parts == 2 ? w * static_cast<double>(v[1]) : 0.0};
      }
      fourier_sum(row, table, 1, spectrum);
      for (int64_t k = 0; k < bins; ++k) {
        to[(f * bins + k) * 2] = static_cast<float>(spectrum[static_cast<size_t>(k)].real());
        to[(f * bins + k) * 2 + 1] = static_cast<float>(spectrum[static_cast<size_t>(k)].imag());
      }
    }
  });
  y.finish();
}

// Triangles of equal width on the mel scale, 2595 log10(1 + f / 700), with corners at whole spectrogram bins.
void run_mel(OpContext& c) {
  const int64_t mels = positive_scalar(c, 0, "num_mel_bins"), length = positive_scalar(c, 1, "dft_length");
  const int64_t rate = positive_scalar(c, 2, "sample_rate"), bins = length / 2 + 1;
  const auto type = static_cast<DType>(c.node().attr_int("output_datatype", static_cast<int64_t>(DType::f32)));
  RealOutput y(c, 0, type, {bins, mels});
  const double low = value_as_double(c.data(3), 0), high = value_as_double(c.data(4), 0);
  if (!(low >= 0 && high >= low)) c.malformed(str("edges ", low, " and ", high, " Hz are not in order"));
  if (c.shape_only()) return;
  auto to_mel = [](double hz) { return 2595 * std::log10(1 + hz / 700); };
  auto corner = [&](int64_t i) {
    const double mel = to_mel(low) + static_cast<double>(i) * (to_mel(high) - to_mel(low)) / static_cast<double>(mels + 2);
    const double hz = 700 * (std::pow(10.0, mel / 2595) - 1);
    return std::floor(static_cast<double>(length + 1) * hz / static_cast<double>(rate));
  };
  for (int64_t m = 0; m < mels; ++m) {
    const double left = corner(m), centre = corner(m + 1), right = corner(m + 2);
    for (int64_t b = 0; b < bins; ++b) {
      const auto at = static_cast<double>(b);
      double weight = at >= left && at <= centre && centre > left ? (at - left) / (centre - left) : 0;
      if (centre == left && at == centre) weight = 1;
      if (at >= centre && at < right && right > centre) weight = (right - at) / (right - centre);
      y.data()[b * mels + m] = static_cast<float>(weight);
    }
  }
  y.finish();
}

const Op kOps[] = {
    {.name = "HannWindow", .since = 17, .run = run_hann},
    {.name = "HammingWindow", .since = 17, .run = run_hamming},
    {.name = "BlackmanWindow", .since = 17, .run = run_blackman},
    {.name = "DFT", .max_inputs = 3, .since = 20, .run = run_dft, .upgrade = upgrade_dft},
    {.name = "STFT", .min_inputs = 2, .max_inputs = 4, .since = 17, .run = run_stft},
    {.name = "MelWeightMatrix", .min_inputs = 5, .max_inputs = 5, .since = 17, .run = run_mel},
};

}  // namespace

std::span<const Op> ops_signal() { return kOps; }

}  // namespace bitwright
