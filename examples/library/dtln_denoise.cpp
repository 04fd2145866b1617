// Cleans speech with DTLN (Westhausen and Meyer 2020), two recurrent networks that see 32 ms of sound every 8 ms: the first
// makes a mask for the spectrum, the second cleans the masked frame. Shows the library with networks that keep state: a Run
// is fed frame after frame and remembers by itself.
//
//     dtln_denoise model_1.onnx model_2.onnx noisy.wav clean.wav       (16 kHz; float or quantized networks)
#include <bitwright/bitwright.hpp>

#include <chrono>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstring>

#include "core/mapped_file.hpp"
#include "graph/state.hpp"
#include "io/data/fourier.hpp"

using namespace bitwright;

namespace {

constexpr int64_t kFrame = 512, kHop = 128, kRate = 16000;

/// The float files of DTLN do not say what is state; those that `bitwright quantize --state` wrote do.
std::shared_ptr<const Program> network(const std::string& path, const std::string& state) {
  Model model = load(path);
  if (model.graph.state.empty()) declare_state(model.graph, {&state, 1});
  return Program::compile(std::move(model));
}

class Denoiser {
 public:
  Denoiser(const std::string& model_1, const std::string& model_2)
      : mask_(network(model_1, "input_3=tf_op_layer_stack_2")), clean_(network(model_2, "input_5=tf_op_layer_stack_5")) {}

  /// samples: [kFrame]; the cleaned frame, valid until the next call.
  std::span<const float> operator()(std::span<const float> samples) {
    std::vector<std::complex<double>> spectrum(samples.begin(), samples.end());
    fourier(spectrum);
    constexpr size_t kBins = kFrame / 2 + 1;
    for (size_t k = 0; k < kBins; ++k) magnitude_.values<float>()[k] = static_cast<float>(std::abs(spectrum[k]));
    const Tensor& mask = mask_({magnitude_})[0];
    for (size_t k = 0; k < kBins; ++k) {
      spectrum[k] *= mask.values<float>()[k];
      if (k > 0 && k + 1 < kBins) spectrum[kFrame - k] = std::conj(spectrum[k]);
    }
    fourier(spectrum, true);
    for (size_t i = 0; i < kFrame; ++i) masked_.values<float>()[i] = static_cast<float>(spectrum[i].real());
    return clean_({masked_})[0].values<float>();
  }

 private:
  Run mask_, clean_;
  Tensor magnitude_{DType::f32, {1, 1, kFrame / 2 + 1}}, masked_{DType::f32, {1, 1, kFrame}};
};

/// 16-bit mono.
void write_wav(const std::string& path, const std::vector<float>& samples) {
  std::string data;
  const auto put = [&](auto value) { data.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto bytes = static_cast<uint32_t>(samples.size() * 2);
  data += "RIFF", put(bytes + 36), data += "WAVEfmt ", put(uint32_t{16}), put(uint16_t{1}), put(uint16_t{1});
  put(uint32_t{kRate}), put(uint32_t{kRate * 2}), put(uint16_t{2}), put(uint16_t{16}), data += "data", put(bytes);
  for (const float s : samples) put(static_cast<int16_t>(std::lround(std::min(std::max(s, -1.0f), 1.0f) * 32767)));
  FileWriter file(path);
  file.write(data);
  file.commit();
}

void denoise(char** argv) {
  DataOptions frames;
  frames.audio.frame = kFrame;
  frames.audio.hop = kHop;
  const auto sound = open_dataset(std::string("wav:") + argv[3], frames);
  Denoiser denoiser(argv[1], argv[2]);
  std::vector<float> clean(static_cast<size_t>((sound->size() - 1) * kHop + kFrame), 0.0f);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < sound->size(); ++i) {
    const Batch batch = sound->batch(i, 1);
    const auto frame = denoiser(batch.inputs[0].values<float>());
    for (size_t k = 0; k < frame.size(); ++k) clean[static_cast<size_t>(i * kHop) + k] += frame[k];  // overlap-add
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  write_wav(argv[4], clean);
  std::printf("%s: %.1f s of sound cleaned in %.2f s\n", argv[4], static_cast<double>(clean.size()) / kRate, seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fputs("dtln_denoise MODEL_1 MODEL_2 NOISY.wav CLEAN.wav\n", stderr), 2;
  try {
    denoise(argv);
  } catch (const Error& e) {
    return std::fprintf(stderr, "dtln_denoise: %s\n", e.what()), 1;
  }
}
