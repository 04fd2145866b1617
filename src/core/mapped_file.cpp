#include "core/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "core/file_pages.hpp"

namespace bitwright {
namespace {

[[noreturn]] void fail_io(const std::string& path, std::string_view what) {
  fail(ErrorCode::io, path, ": ", what, ": ", std::strerror(errno));
}

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

MappedFile MappedFile::open(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) fail_io(path, "cannot be opened");
  struct stat facts;
  if (::fstat(file.value, &facts) != 0) fail_io(path, "cannot be examined");
  if (S_ISDIR(facts.st_mode)) fail(ErrorCode::io, path, ": is a folder, wanted a file");
  const auto size = static_cast<size_t>(facts.st_size);
  MappedFile mapped;
  mapped.path = path;
  if (size == 0) return mapped;
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (memory == MAP_FAILED) fail_io(path, "cannot be mapped");
  mapped.bytes = {static_cast<const std::byte*>(memory), size};
  mapped.keep = own_file_pages(memory, size);
  return mapped;
}

FileWriter::FileWriter(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> serial{0};
  struct stat facts;
  const bool in_place = ::stat(path_.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode);
  if (!in_place) temporary_ = str(path_, ".", static_cast<long long>(::getpid()), ".", serial.fetch_add(1), ".tmp");
  descriptor_ = ::open(in_place ? path_.c_str() : temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_io(path_, "cannot be written");
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void FileWriter::write(const void* data, size_t bytes) {
  written_ += bytes;
  if (bytes > 0) buffer_.append(static_cast<const char*>(data), bytes);
  if (buffer_.size() >= (size_t{1} << 20)) flush();
}

void FileWriter::flush() {
  const char* at = buffer_.data();
  size_t left = buffer_.size();
  while (left > 0) {
    const ssize_t done = ::write(descriptor_, at, left);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_io(path_, "cannot be written");
    at += done;
    left -= static_cast<size_t>(done);
  }
  buffer_.clear();
}

void FileWriter::commit() {
  flush();
  if (temporary_.empty()) {
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_io(path_, "cannot be written");
    return;
  }
  if (::fsync(descriptor_) != 0 || ::close(std::exchange(descriptor_, -1)) != 0) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    errno = cause;
    fail_io(path_, "cannot be written");
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    errno = cause;
    fail_io(path_, "cannot be put in place");
  }
}

}  // namespace bitwright
