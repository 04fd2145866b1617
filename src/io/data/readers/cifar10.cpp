// CIFAR-10 binary: records of one label byte and 3072 pixels, planar RGB 32x32; one file or a folder of .bin files.
#include "io/data/image_dataset.hpp"

namespace bitwright {
namespace {

constexpr int64_t kSide = 32, kArea = kSide * kSide, kRecord = 1 + 3 * kArea;

class Cifar10 : public ImageDataset {
 public:
  Cifar10(const std::vector<std::string>& paths, const DataOptions& options) : ImageDataset("CIFAR-10", options) {
    for (const std::string& path : paths) add(MappedFile::open(path));
  }
  int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }

 protected:
  Image image(int64_t record) const override {
    const uint8_t* planes = bytes_of(record) + 1;
    Image out{kSide, kSide, 3, std::vector<uint8_t>(3 * kArea)};
    for (int64_t i = 0; i < kArea; ++i)
      for (int64_t c = 0; c < 3; ++c) out.pixels[static_cast<size_t>(i * 3 + c)] = planes[c * kArea + i];
    return out;
  }
  int64_t label(int64_t record) const override {
    DataOptions ten = options();
    ten.classes = 10;
    return checked_label(*bytes_of(record), ten, where(record));
  }
  std::string where(int64_t record) const override {
    const size_t file = file_of(record);
    return str(files_[file].path, " record ", record - (file ? ends_[file - 1] : 0));
  }

 private:
  void add(MappedFile file) {
    const auto bytes = static_cast<int64_t>(file.bytes.size());
    if (bytes % kRecord != 0)
      fail(ErrorCode::malformed, file.path, ": ", bytes, " bytes are not a whole number of CIFAR-10 records (", kRecord,
           " bytes each)");
    ends_.push_back(size() + bytes / kRecord);
    files_.push_back(std::move(file));
  }
  size_t file_of(int64_t record) const {
    size_t file = 0;
    while (record >= ends_[file]) ++file;
    return file;
  }
  const uint8_t* bytes_of(int64_t record) const {
    const size_t file = file_of(record);
    const int64_t inside = record - (file ? ends_[file - 1] : 0);
    return reinterpret_cast<const uint8_t*>(files_[file].bytes.data()) + inside * kRecord;
  }

  std::vector<MappedFile> files_;
  std::vector<int64_t> ends_;  // records up to the end of each file
};

bool is_bin(std::string_view name) { return name.size() > 4 && name.substr(name.size() - 4) == ".bin"; }

bool recognises(const DataPath& at) {
  if (!at.is_folder) return at.extension == ".bin" && at.bytes > 0 && at.bytes % kRecord == 0 && at.head[0] < 10;
  for (const auto& name : at.entries)
    if (is_bin(name) && recognises(look_at(at.path + "/" + name))) return true;
  return false;
}

/// The .bin files of a folder; training and test files are never mixed.
std::vector<std::string> files_in(const DataPath& at, const std::string& split) {
  std::vector<std::string> train, test;
  for (const auto& name : at.entries)
    if (is_bin(name)) (name.find("test") == std::string::npos ? train : test).push_back(at.path + "/" + name);
  if (split.empty() && !train.empty() && !test.empty())
    fail(ErrorCode::usage, at.path, ": holds training files (", train[0], ") and test files (", test[0],
         "); name a file or give split = \"train\" or \"test\"");
  if (split.empty()) return train.empty() ? test : train;
  return split == "test" ? test : train;
}

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  const auto paths = at.is_folder ? files_in(at, options.split) : std::vector<std::string>{at.path};
  return std::make_unique<Cifar10>(paths, options);
}

}  // namespace

const Reader& reader_cifar10() {
  static const Reader reader{"cifar10", "CIFAR-10 binary: a .bin file or a folder of them", recognises, open};
  return reader;
}

}  // namespace bitwright
