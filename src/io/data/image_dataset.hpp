// Labelled 8-bit images, whatever file they come from: a reader gives pixels and labels, the rest is here.
#pragma once

#include "io/data/image.hpp"

namespace bitwright {

class ImageDataset : public Dataset {
 public:
  ImageDataset(std::string kind, const DataOptions& options) : kind_(std::move(kind)), options_(options) {}

  Task task() const override { return Task::classify; }
  std::vector<std::string> input_names() const override;
  std::string description() const override;
  Batch read(std::span<const int64_t> records) const override;

 protected:
  virtual Image image(int64_t record) const = 0;
  /// The label as stored plus the offset, checked.
  virtual int64_t label(int64_t record) const = 0;
  /// Names the record in errors: its file, or its number in the file.
  virtual std::string where(int64_t record) const = 0;
  const DataOptions& options() const { return options_; }

 private:
  std::string kind_;
  DataOptions options_;
};

}  // namespace bitwright
