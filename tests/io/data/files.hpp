// Small files for the readers' tests: a temporary folder, and the bytes of each format written by hand.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "io/data/dataset.hpp"

namespace bitwright {

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitwright-data-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) ADD_FAILURE() << "no temporary folder";
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, std::string_view bytes) const {
    const std::string at = path_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(at).parent_path());
    std::ofstream(at, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return at;
  }

 private:
  std::string path_;
};

/// The message of the Error that f throws, with the folder's path cut out or named FOLDER; "" if it throws none.
template <class F>
std::string message_of(const Folder& folder, F f) {
  try {
    f();
    return "";
  } catch (const Error& e) {
    std::string text = e.what();
    for (const auto& [from, to] : {std::pair{folder.path() + "/", ""}, {folder.path(), "FOLDER"}})
      for (size_t at; (at = text.find(from)) != std::string::npos;) text.replace(at, from.size(), to);
    return text;
  }
}

inline std::string open_error(const Folder& folder, const std::string& spec, const DataOptions& options = {}) {
  return message_of(folder, [&] { open_dataset(spec, options); });
}

/// Opens and reads everything.
inline std::string read_error(const Folder& folder, const std::string& spec, const DataOptions& options = {}) {
  return message_of(folder, [&] {
    const auto data = open_dataset(spec, options);
    data->batch(0, data->size());
  });
}

inline std::string le(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
inline std::string be32(uint32_t value) {
  std::string out = le(value, 4);
  return {out.rbegin(), out.rend()};
}

/// The shared folder of real data; tests that need it skip without.
inline std::string shared_data() { return BW_SOURCE_DIR "/../shared/data"; }
#define BW_NEEDS_SHARED(path)                        \
  if (!std::filesystem::exists(shared_data() + path)) \
  GTEST_SKIP() << "../shared/data" << path << " is not there"

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace bitwright
