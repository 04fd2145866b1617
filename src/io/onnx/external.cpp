#include "io/onnx/external.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "core/error.hpp"

namespace bitwright::onnx {
namespace {

namespace fs = std::filesystem;

int64_t number(const std::string& key, const std::string& digits) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(digits.c_str(), &end, 10);
  if (errno != 0 || end == digits.c_str() || *end || value < 0)
    fail(ErrorCode::malformed, "external data have ", key, " '", digits, "', wanted a number of bytes");
  return value;
}

}  // namespace

ExternalData::File& ExternalData::open(const std::string& location) {
  if (const auto at = found_.find(location); at != found_.end()) return *at->second;
  if (folder_.empty() || location.empty() || location.find('\0') != std::string::npos || fs::path(location).is_absolute())
    fail(ErrorCode::malformed, "external data at '", location, "' are not a file beside the model");
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder_, error);
  const fs::path file = fs::weakly_canonical(fs::path(folder_) / location, error);  // follows links
  const auto [at_root, at_file] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  if (error || at_root != root.end())
    fail(ErrorCode::malformed, "external data at '", location, "' lie outside of the model's folder");
  struct stat facts = {};
  if (::stat(file.c_str(), &facts) != 0) fail(ErrorCode::io, file.string(), ": cannot be opened: ", std::strerror(errno));
  const auto [at, fresh] = files_.try_emplace({facts.st_dev, facts.st_ino});
  if (fresh) at->second.mapped = MappedFile::open(file.string());
  return *(found_[location] = &at->second);
}

ExternalBytes ExternalData::find(const std::string& tensor, const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string location;
  int64_t offset = 0, length = -1;
  for (const auto& [key, value] : entries) {
    if (key == "location") location = value;
    if (key == "offset") offset = number(key, value);
    if (key == "length") length = number(key, value);
  }
  File& file = open(location);
  const auto size = static_cast<int64_t>(file.mapped.bytes.size());
  if (length < 0) length = size - std::min(size, offset);
  if (offset > size || length > size - offset)
    fail(ErrorCode::malformed, "external data at '", location, "' end at byte ", size, ", wanted ", length, " bytes from ", offset);
  const int64_t end = offset + length;
  const auto next = file.ranges.lower_bound(offset);
  const bool same = next != file.ranges.end() && next->first == offset && next->second.end == end;
  const Range* other = !same && next != file.ranges.end() && next->first < end ? &next->second : nullptr;
  if (!same && next != file.ranges.begin() && std::prev(next)->second.end > offset) other = &std::prev(next)->second;
  if (other && length > 0)
    fail(ErrorCode::malformed, "external data at '", location, "', ", length, " bytes from ", offset, ", overlap those of tensor '",
         other->tensor, "'");
  if (!same && length > 0) file.ranges[offset] = {end, tensor};
  return {file.mapped.bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(length)), file.mapped.keep};
}

}  // namespace bitwright::onnx
