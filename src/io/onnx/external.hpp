// Tensors whose bytes lie in files beside the model. Only files inside the model's folder are opened, whatever links say, and
// no two tensors may share some of their bytes (all of them they may: tied weights).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/mapped_file.hpp"

namespace bitwright::onnx {

struct ExternalBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keep;
};

class ExternalData {
 public:
  /// An empty folder: external data are refused.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  /// The bytes that `entries` (location, offset, length of TensorProto.external_data) speak of. Without length: to the end.
  /// Throws Error{malformed} with what is wrong with them, Error{io} for a file that cannot be read.
  ExternalBytes find(const std::string& tensor, const std::vector<std::pair<std::string, std::string>>& entries);

 private:
  struct Range {
    int64_t end;
    std::string tensor;
  };
  struct File {
    MappedFile mapped;
    std::map<int64_t, Range> ranges;  // by their begin; they do not overlap
  };
  std::string folder_;
  std::map<std::pair<uint64_t, uint64_t>, File> files_;  // by device and inode: a file has many names
  std::map<std::string, File*> found_;                   // by location, as written

  File& open(const std::string& location);
};

}  // namespace bitwright::onnx
