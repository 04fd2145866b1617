// What a file of readers/ provides. Its stem is its name: readers/idx.cpp defines `const Reader& reader_idx()`.
#pragma once

#include <cstring>

#include "core/mapped_file.hpp"
#include "io/data/dataset.hpp"

namespace bitwright {

/// A path and what can be seen of it at a glance.
struct DataPath {
  std::string path, name, folder, extension;  // name without folder; folder that holds it; extension ".bin", lower case
  bool is_folder = false;
  std::vector<std::string> entries;  // of a folder: names of the files and folders in it, sorted
  std::string head;                  // of a file: its first 512 bytes
  uint64_t bytes = 0;

  bool holds(std::string_view entry) const;
};
/// Error{io} if there is nothing at `path`.
DataPath look_at(const std::string& path);

struct Reader {
  std::string_view name, summary;
  bool (*recognises)(const DataPath&);
  std::unique_ptr<Dataset> (*open)(const DataPath&, const DataOptions&);
};

// ---- shared by the readers

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Little- and big-endian numbers; `at` + 4 (2, 8) must lie inside.
template <class T>
T little_endian(Bytes bytes, size_t at) {
  BW_CHECK(at <= bytes.size() && sizeof(T) <= bytes.size() - at);
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));  // every machine this builds for is little-endian
  return value;
}
inline uint32_t big_endian32(Bytes bytes, size_t at) { return __builtin_bswap32(little_endian<uint32_t>(bytes, at)); }

/// label + offset after the check against `classes`; Error{mismatch} starts with `where`.
int64_t checked_label(int64_t label, const DataOptions& options, std::string_view where);
/// The text without byte order mark cut into lines, "\r\n" or "\n"; the last may lack its end.
std::vector<std::string_view> lines_of(std::string_view text);
std::string lower(std::string_view ascii);

}  // namespace bitwright
