// MNIST and its kin: an idx file of images and one of labels, found by the name.
#include "io/data/idx.hpp"

#include <filesystem>

#include "io/data/image_dataset.hpp"

namespace bitwright {
namespace {

class IdxImages : public ImageDataset {
 public:
  IdxImages(const std::string& images, const std::string& labels, const DataOptions& options)
      : ImageDataset("idx images", options), path_(images), images_(read_idx(MappedFile::open(images))) {
    if (images_.shape.size() == 1) fail(ErrorCode::mismatch, images, ": holds numbers, not images; name the image file");
    labels_ = read_idx(MappedFile::open(labels));
    if (labels_.shape != Shape{images_.shape[0]})
      fail(ErrorCode::mismatch, labels, ": holds ", to_string(labels_.shape), " labels for ", images_.shape[0],
           " images");
    for (int64_t i = 0; i < size(); ++i) label(i);
  }
  int64_t size() const override { return images_.shape[0]; }

 protected:
  Image image(int64_t record) const override {
    Image out{images_.shape[1], extent(2), extent(3), {}};
    const int64_t bytes = out.height * out.width * out.channels;
    if (bytes == 0) fail(ErrorCode::mismatch, where(record), ": the image has no pixels");
    if (out.channels > 4) fail(ErrorCode::unsupported, where(record), ": ", out.channels, " channels, at most 4 are read");
    const auto* first = reinterpret_cast<const uint8_t*>(images_.elements.data()) + record * bytes;
    out.pixels.assign(first, first + bytes);
    return out;
  }
  int64_t label(int64_t record) const override {
    const auto stored = static_cast<int64_t>(labels_.elements[static_cast<size_t>(record)]);
    return checked_label(stored, options(), where(record));
  }
  std::string where(int64_t record) const override { return str(path_, " record ", record); }

 private:
  int64_t extent(size_t axis) const { return axis < images_.shape.size() ? images_.shape[axis] : 1; }

  std::string path_;
  IdxFile images_, labels_;
};

bool replace(std::string& text, std::string_view from, std::string_view to) {
  const size_t at = text.rfind(from);
  if (at == std::string::npos) return false;
  text.replace(at, from.size(), to);
  return true;
}

/// "t10k-images-idx3-ubyte.gz" -> "t10k-labels-idx1-ubyte.gz", with or without .gz.
std::string labels_beside(const DataPath& at) {
  std::string name = at.name;
  if (!replace(name, "images", "labels"))
    fail(ErrorCode::usage, at.path, ": the name has no 'images' to put 'labels' for, so its labels cannot be found");
  if (!replace(name, "idx3", "idx1")) replace(name, "idx4", "idx1");
  const bool packed = name.size() > 3 && name.substr(name.size() - 3) == ".gz";
  const std::string other = packed ? name.substr(0, name.size() - 3) : name + ".gz";
  for (const std::string& candidate : {name, other}) {
    std::error_code ignored;
    const std::string path = at.folder + "/" + candidate;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  fail(ErrorCode::io, at.path, ": its labels should be beside it as ", name);
}

bool is_images(std::string_view name) {
  return name.find("images") != std::string_view::npos &&
         (name.find("idx") != std::string_view::npos || name.find("ubyte") != std::string_view::npos);
}

bool recognises(const DataPath& at) {
  for (const auto& name : at.entries)
    if (is_images(name)) return true;
  if (at.is_folder) return false;
  const bool packed = at.head.substr(0, 2) == "\x1f\x8b" && at.name.find("idx") != std::string::npos;
  return packed || (at.head.size() >= 4 && at.head[0] == 0 && at.head[1] == 0 && at.head[2] == 8 && at.head[3] <= 4);
}

DataPath file_in(const DataPath& folder, const std::string& split) {
  std::vector<std::string> found;
  for (const auto& name : folder.entries) {
    const bool test = name.find("t10k") != std::string::npos || name.find("test") != std::string::npos;
    if (is_images(name) && (split.empty() || test == (split == "test"))) found.push_back(name);
  }
  if (found.size() != 1)
    fail(ErrorCode::usage, folder.path, ": holds ", found.size(), " image files (", join(found, ", "),
         "); name one or say split = \"train\" or \"test\" in data.toml or --data-options");
  return look_at(folder.path + "/" + found[0]);
}

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  const DataPath images = at.is_folder ? file_in(at, options.split) : at;
  return std::make_unique<IdxImages>(images.path, labels_beside(images), options);
}

}  // namespace

const Reader& reader_idx() {
  static const Reader reader{"idx", "MNIST's idx or idx.gz: the image file, labels beside it", recognises, open};
  return reader;
}

}  // namespace bitwright
