// Sound: RIFF/WAVE files of 16-bit integers or 32-bit floats, as mono float.
#pragma once

#include "io/data/reader.hpp"

namespace bitwright {

struct Sound {
  int64_t rate = 0;      // samples per second
  int64_t channels = 0;  // in the file
  int64_t samples = 0;   // per channel
  bool is_float = false;
  Bytes data;  // interleaved
};

/// Finds format and samples. Error{malformed, unsupported} starts with `where`.
Sound parse_wav(Bytes file, const std::string& where);
/// Samples [first, first + out.size()) as the mean of the channels; 16-bit values are divided by 32768. Beyond the end: 0.
void read_samples(const Sound& sound, int64_t first, std::span<float> out);

}  // namespace bitwright
