#include "io/data/wav_file.hpp"

namespace bitwright {
namespace {

enum WaveFormat : unsigned { kPcm = 1, kFloat = 3, kExtensible = 0xfffe };

void parse_format(Bytes chunk, Sound& sound, const std::string& where) {
  if (chunk.size() < 16) fail(ErrorCode::malformed, where, ": the fmt chunk is too short");
  unsigned format = little_endian<uint16_t>(chunk, 0);
  if (format == kExtensible && chunk.size() >= 26) format = little_endian<uint16_t>(chunk, 24);
  const unsigned bits = little_endian<uint16_t>(chunk, 14);
  sound.channels = little_endian<uint16_t>(chunk, 2);
  sound.rate = little_endian<uint32_t>(chunk, 4);
  sound.is_float = format == kFloat;
  if (!(format == kPcm && bits == 16) && !(format == kFloat && bits == 32))
    fail(ErrorCode::unsupported, where, ": wav format ", format, " with ", bits,
         " bits; save 16-bit integers or 32-bit floats");
  if (sound.channels < 1 || sound.channels > 64 || sound.rate == 0)
    fail(ErrorCode::malformed, where, ": claims ", sound.channels, " channels at ", sound.rate, " samples per second");
}

}  // namespace

Sound parse_wav(Bytes file, const std::string& where) {
  const std::string_view text = text_of(file);
  if (text.size() < 12 || text.substr(0, 4) != "RIFF" || text.substr(8, 4) != "WAVE")
    fail(ErrorCode::malformed, where, ": is not a wav file");
  Sound sound;
  for (size_t at = 12; at + 8 <= file.size();) {
    const std::string_view id = text.substr(at, 4);
    const size_t bytes = little_endian<uint32_t>(file, at + 4);
    at += 8;
    if (bytes > file.size() - at)
      fail(ErrorCode::malformed, where, ": chunk '", id == "data" || id == "fmt " ? id : "?", "' claims ", bytes,
           " bytes, ", file.size() - at, " are left");
    if (id == "fmt ") parse_format(file.subspan(at, bytes), sound, where);
    if (id == "data") {
      if (sound.channels == 0) fail(ErrorCode::malformed, where, ": has samples before their format");
      sound.data = file.subspan(at, bytes);
      sound.samples = static_cast<int64_t>(bytes) / (sound.channels * (sound.is_float ? 4 : 2));
      return sound;
    }
    at += bytes + bytes % 2;
  }
  fail(ErrorCode::malformed, where, ": has no samples");
}

void read_samples(const Sound& sound, int64_t first, std::span<float> out) {
  const auto channels = static_cast<size_t>(sound.channels);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t sample = first + static_cast<int64_t>(i);
    float sum = 0;
    for (size_t c = 0; sample < sound.samples && c < channels; ++c) {
      const size_t at = static_cast<size_t>(sample) * channels + c;
      sum += sound.is_float ? little_endian<float>(sound.data, at * 4)
                            : static_cast<float>(little_endian<int16_t>(sound.data, at * 2)) / 32768.0f;
    }
    out[i] = channels == 1 ? sum : sum / static_cast<float>(channels);
  }
}

}  // namespace bitwright
