// A file mapped for reading, and writing of files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace bitwright {

/// The bytes of a file, mapped; they live as long as some copy of `keep`. Error{io} names the file.
struct MappedFile {
  static MappedFile open(const std::string& path);

  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keep;
  std::string path;
};

/// Collects a file under a temporary name beside its place and renames it on commit(); destroyed before that, nothing
/// stays behind. What is there and is no file (/dev/stdout, a pipe) is written as it is. Every failure is an Error{io} that
/// names the file.
class FileWriter {
 public:
  explicit FileWriter(std::string path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  size_t written() const { return written_; }
  void commit();

 private:
  std::string path_, temporary_;  // no temporary: written in place
  int descriptor_ = -1;
  size_t written_ = 0;
  std::string buffer_;
  void flush();
};

}  // namespace bitwright
