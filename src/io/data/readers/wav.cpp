// A wav file or a folder of them: f32 [records, samples], a record being a file, or a frame where `frame` is given; with
// `feature = "magnitude"` the spectrum of each, f32 [records, samples / 2 + 1]. The frames of a file are one sequence.
#include "io/data/fourier.hpp"
#include "io/data/wav_file.hpp"

namespace bitwright {
namespace {

struct SoundFile {
  MappedFile file;
  Sound sound;
  int64_t end = 0;  // records up to its end
};

class Sounds : public Dataset {
 public:
  Sounds(const std::vector<std::string>& paths, const DataOptions& options) : options_(options) {
    frame_ = options.audio.frame;
    hop_ = options.audio.hop > 0 ? options.audio.hop : frame_;
    for (const auto& path : paths) {
      MappedFile file = MappedFile::open(path);
      const Sound sound = parse_wav(file.bytes, path);
      files_.push_back({std::move(file), sound, size() + records_in(sound)});
    }
  }
  int64_t size() const override { return files_.empty() ? 0 : files_.back().end; }
  Task task() const override { return Task::none; }
  std::vector<std::string> input_names() const override {
    if (options_.input.empty()) return {};
    return {options_.input};
  }
  bool begins_sequence(int64_t record) const override {
    const SoundFile& file = file_of(record);
    return record == file.end - records_in(file.sound);
  }
  std::string description() const override {
    return str("sound at ", files_[0].sound.rate, " Hz, ", size(), frame_ > 0 ? " frames" : " files",
               is_spectrum() ? " as magnitudes of their spectrum" : "");
  }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    int64_t length = frame_;
    for (const int64_t record : records)
      if (frame_ == 0) length = std::max(length, file_of(record).sound.samples);
    const int64_t width = is_spectrum() ? length / 2 + 1 : length;
    Tensor features(DType::f32, {batch.records, width});
    std::vector<float> samples(static_cast<size_t>(length));
    for (size_t i = 0; i < records.size(); ++i) {
      const SoundFile& file = file_of(records[i]);
      const int64_t inside = records[i] - (file.end - records_in(file.sound));
      read_samples(file.sound, inside * hop_, samples);
      const auto row = features.values<float>().subspan(i * static_cast<size_t>(width), static_cast<size_t>(width));
      if (is_spectrum()) magnitude_spectrum(samples, row);
      else std::copy(samples.begin(), samples.end(), row.begin());
    }
    batch.inputs.push_back(std::move(features));
    return batch;
  }

 private:
  bool is_spectrum() const { return options_.audio.feature == SoundFeature::magnitude; }
  int64_t records_in(const Sound& sound) const {
    if (frame_ == 0) return sound.samples > 0;
    return sound.samples < frame_ ? 0 : (sound.samples - frame_) / hop_ + 1;
  }
  const SoundFile& file_of(int64_t record) const {
    size_t i = 0;
    while (record >= files_[i].end) ++i;
    return files_[i];
  }

  DataOptions options_;
  int64_t frame_ = 0, hop_ = 0;
  std::vector<SoundFile> files_;
};

bool is_wav(const std::string& name) {
  const std::string small = lower(name);
  return small.size() > 4 && small.substr(small.size() - 4) == ".wav";
}

bool recognises(const DataPath& at) {
  for (const auto& name : at.entries)
    if (is_wav(name)) return true;
  return at.head.substr(0, 4) == "RIFF" && at.head.size() >= 12 && at.head.substr(8, 4) == "WAVE";
}

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  std::vector<std::string> paths;
  for (const auto& name : at.entries)
    if (is_wav(name)) paths.push_back(at.path + "/" + name);
  if (!at.is_folder) paths.push_back(at.path);
  return std::make_unique<Sounds>(paths, options);
}

}  // namespace

const Reader& reader_wav() {
  static const Reader reader{"wav", "a wav file or a folder of them, 16-bit or float, as mono", recognises, open};
  return reader;
}

}  // namespace bitwright
