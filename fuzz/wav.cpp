// Sound from memory: all samples read.
#include "io/data/wav_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  try {
    const Sound sound = parse_wav(std::as_bytes(std::span(data, size)), "fuzz");
    std::vector<float> samples(static_cast<size_t>(sound.samples) + 3);
    read_samples(sound, 0, samples);
  } catch (const Error&) {
  }
  return 0;
}
