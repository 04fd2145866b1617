// A folder of JPEG or PNG files with labels.csv.
#include "io/data/image_dataset.hpp"
#include "io/data/labels_csv.hpp"

namespace bitwright {
namespace {

class ImageFolder : public ImageDataset {
 public:
  ImageFolder(const std::string& folder, const DataOptions& options)
      : ImageDataset("images with labels.csv", options), folder_(folder) {
    const MappedFile csv = MappedFile::open(folder + "/labels.csv");
    files_ = parse_labels_csv(text_of(csv.bytes), options, csv.path);
  }
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }

 protected:
  Image image(int64_t record) const override {
    const std::string path = where(record);
    return decode_image(MappedFile::open(path).bytes, path);
  }
  int64_t label(int64_t record) const override { return files_[static_cast<size_t>(record)].label; }
  std::string where(int64_t record) const override { return folder_ + "/" + files_[static_cast<size_t>(record)].file; }

 private:
  std::string folder_;
  std::vector<LabelledFile> files_;
};

bool recognises(const DataPath& at) { return at.is_folder && at.holds("labels.csv"); }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions& options) {
  if (!at.holds("labels.csv"))
    fail(ErrorCode::io, at.path, ": wanted a folder with labels.csv, lines `file,label`");
  return std::make_unique<ImageFolder>(at.path, options);
}

}  // namespace

const Reader& reader_images() {
  static const Reader reader{"images", "a folder of JPEG or PNG files with labels.csv", recognises, open};
  return reader;
}

}  // namespace bitwright
