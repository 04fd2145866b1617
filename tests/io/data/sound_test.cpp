// wav files, their spectra, sequences of frames; numbers that every record shares.
#include <cmath>

#include "files.hpp"
#include "io/data/fourier.hpp"

namespace bitwright {
namespace {

std::string wav(int format, int channels, int bits, const std::string& data) {
  const std::string chunk = le(format, 2) + le(channels, 2) + le(16000, 4) + le(0, 4) + le(0, 2) + le(bits, 2);
  const std::string body = "WAVEfmt " + le(chunk.size(), 4) + chunk + "LIST" + le(3, 4) + "abc" + std::string(1, '\0') +
                           "data" + le(data.size(), 4) + data;
  return "RIFF" + le(body.size(), 4) + body;
}

TEST(Wav, ReadsIntegersAndFloatsAsMono) {
  const Folder folder;
  const std::string stereo = folder.write("a.wav", wav(1, 2, 16, le(0x4000, 2) + le(0, 2) + le(0x8000, 2) + le(0x8000, 2)));
  const Batch ints = open_dataset(stereo)->batch(0, 1);
  EXPECT_EQ(ints.inputs[0].shape(), (Shape{1, 2}));
  EXPECT_EQ(ints.inputs[0].values<float>()[0], 0.25f);
  EXPECT_EQ(ints.inputs[0].values<float>()[1], -1.0f);
  const std::string floats = folder.write("b.wav", wav(3, 1, 32, le(0x3f000000, 4)));
  EXPECT_EQ(open_dataset(floats)->batch(0, 1).inputs[0].values<float>()[0], 0.5f);
  const Batch both = open_dataset(folder.path())->batch(0, 2);
  EXPECT_EQ(both.inputs[0].shape(), (Shape{2, 2}));
  EXPECT_EQ(both.inputs[0].values<float>()[3], 0.0f);
}

TEST(Wav, CutsFrames) {
  const Folder folder;
  std::string data;
  for (int i = 0; i < 10; ++i) data += le(i * 256, 2);
  const std::string path = folder.write("a.wav", wav(1, 1, 16, data));
  DataOptions options;
  options.audio.frame = 4;
  options.audio.hop = 3;
  const auto frames = open_dataset(path, options);
  ASSERT_EQ(frames->size(), 3);
  const Batch batch = frames->batch(1, 2);
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 4}));
  EXPECT_EQ(batch.inputs[0].values<float>()[0], 3 / 128.0f);
  EXPECT_EQ(batch.inputs[0].values<float>()[7], 9 / 128.0f);
  options.audio.frame = 11;
  EXPECT_EQ(open_error(folder, path, options), "a.wav: the data set is empty");
}

TEST(Wav, SpectraOfFramesInSequences) {
  const Folder folder;
  std::string data;
  for (const int v : {0, 0x4000, 0, -0x4000, 0, 0x4000, 0, -0x4000}) data += le(static_cast<uint32_t>(v) & 0xffff, 2);
  folder.write("a.wav", wav(1, 1, 16, data));
  folder.write("b.wav", wav(1, 1, 16, data));
  DataOptions options;
  apply_toml(options, "frame = 4\nhop = 2\nfeature = \"magnitude\"", "test");
  const auto set = open_dataset("wav:" + folder.path(), options);
  ASSERT_EQ(set->size(), 6);
  const Batch batch = set->batch(0, 2);
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 3}));
  for (const size_t i : {0u, 1u, 2u}) EXPECT_NEAR(batch.inputs[0].values<float>()[i], i == 1 ? 1 : 0, 1e-6);  // 0.5 sin: N/2 x 0.5
  std::string begins;
  for (int64_t i = 0; i < 6; ++i) begins += set->begins_sequence(i) ? '1' : '0';
  EXPECT_EQ(begins, "100100");
  const auto some = select(open_dataset("wav:" + folder.path(), options), "1:6");
  begins.clear();
  for (int64_t i = 0; i < 5; ++i) begins += some->begins_sequence(i) ? '1' : '0';
  EXPECT_EQ(begins, "10100");
}

TEST(Fourier, IsTheSumAndItsInverse) {
  for (const size_t n : {1u, 2u, 3u, 6u, 8u, 20u}) {
    std::vector<std::complex<double>> x(n), y(n);
    for (size_t i = 0; i < n; ++i) x[i] = {static_cast<double>(i * i % 7), static_cast<double>(i % 3)};
    y = x;
    fourier(y);
    for (size_t k = 0; k < n; ++k) {
      std::complex<double> sum = 0;
      for (size_t i = 0; i < n; ++i)
        sum += x[i] * std::polar(1.0, -2 * M_PI * static_cast<double>(k * i) / static_cast<double>(n));
      EXPECT_NEAR(std::abs(sum - y[k]), 0, 1e-9) << n;
    }
    fourier(y, true);
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(std::abs(x[i] - y[i]), 0, 1e-12) << n;
  }
}

TEST(Constants, AreInputsByName) {
  const Folder folder;
  const std::string path = folder.write("a.wav", wav(1, 1, 16, "abcd"));
  DataOptions options;
  apply_toml(options, "constants = { sr = 16000, gain = 0.5 }", "test");
  EXPECT_EQ(to_toml(options).find("constants") == std::string::npos, false);
  DataOptions again;
  apply_toml(again, to_toml(options), "again");
  EXPECT_EQ(to_toml(again), to_toml(options));
  const auto set = open_dataset("wav:" + path, options);
  EXPECT_EQ(set->input_names(), (std::vector<std::string>{"", "gain", "sr"}));
  const Batch batch = set->batch(0, 1);
  EXPECT_TRUE(identical(batch.inputs[2], Tensor::scalar(int64_t{16000})));
  EXPECT_TRUE(identical(batch.inputs[1], Tensor::scalar(0.5f)));
  options.input = "sr";
  EXPECT_EQ(open_error(folder, "wav:" + path, options), "constants: the data give the input 'sr' themselves");
}

std::string wav_error(const std::string& bytes) {
  const Folder folder;
  return open_error(folder, "wav:" + folder.write("a.wav", bytes));
}

TEST(Wav, DamageIsNamed) {
  const std::string good = wav(1, 1, 16, "abcd");
  EXPECT_EQ(wav_error(good), "");
  EXPECT_EQ(wav_error("RIFFxxxx"), "a.wav: is not a wav file");
  EXPECT_EQ(wav_error(good.substr(0, good.size() - 1)), "a.wav: chunk 'data' claims 4 bytes, 3 are left");
  EXPECT_EQ(wav_error(good.substr(0, 40)), "a.wav: has no samples");
  EXPECT_EQ(wav_error(wav(1, 1, 24, "abc")), "a.wav: wav format 1 with 24 bits; save 16-bit integers or 32-bit floats");
  EXPECT_EQ(wav_error(wav(1, 0, 16, "ab")), "a.wav: claims 0 channels at 16000 samples per second");
  EXPECT_EQ(wav_error("RIFF" + le(0, 4) + "WAVEdata" + le(2, 4) + "ab"), "a.wav: has samples before their format");
  EXPECT_EQ(wav_error("RIFF" + le(0, 4) + "WAVEfmt " + le(2, 4) + "ab"), "a.wav: the fmt chunk is too short");
  EXPECT_EQ(wav_error(wav(1, 1, 16, "")), "a.wav: the data set is empty");
}

TEST(Wav, SharedSpeech) {
  BW_NEEDS_SHARED("/lstm/silero_vad/test.wav");
  const auto data = open_dataset(shared_data() + "/lstm/silero_vad/test.wav");
  EXPECT_EQ(data->description(), "sound at 16000 Hz, 1 files");
  const Batch batch = data->batch(0, 1);
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{1, 960000}));
  EXPECT_EQ(batch.inputs[0].values<float>()[0], -147 / 32768.0f);  // xxd: 6d ff
}

}  // namespace
}  // namespace bitwright
