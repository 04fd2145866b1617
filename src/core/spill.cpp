#include "core/spill.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/file_pages.hpp"

namespace bitwright {
namespace {

struct Mapped {
  std::mutex mutex;
  std::map<uintptr_t, size_t> bytes;  // by first address
};
Mapped& mapped() {
  static Mapped all;
  return all;
}

size_t page_bytes() noexcept {
  static const auto bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

/// Whether all of these bytes belong to one mapping; the mutex is held.
bool is_mapped(uintptr_t from, size_t bytes) {
  auto at = mapped().bytes.upper_bound(from);
  if (at == mapped().bytes.begin()) return false;
  --at;
  return from + bytes <= at->first + at->second;
}

int nameless_file_in(const std::filesystem::path& folder) {
#ifdef O_TMPFILE
  if (const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); file >= 0) return file;
#endif
  std::string name = (folder / "bitwright-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  if (file >= 0) ::unlink(name.c_str());
  return file;
}

/// A file for reading and writing that is gone when it is closed; -1 if there can be none. /var/tmp lies on a disk where /tmp
/// is often memory, which nothing would be saved in.
int nameless_file() {
  if (const char* wanted = std::getenv("TMPDIR")) return nameless_file_in(wanted);
  const int file = nameless_file_in("/var/tmp");
  return file >= 0 ? file : nameless_file_in("/tmp");
}

bool write_all(int file, const std::byte* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t done = ::write(file, data, bytes);
    if (done <= 0) return false;
    data += done, bytes -= static_cast<size_t>(done);
  }
  return true;
}

}  // namespace

std::shared_ptr<const void> own_file_pages(void* memory, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(memory);
  {
    const std::lock_guard lock(mapped().mutex);
    mapped().bytes[at] = bytes;
  }
  return {memory, [bytes, at](const void* p) {
            {
              const std::lock_guard lock(mapped().mutex);
              mapped().bytes.erase(at);
            }
            ::munmap(const_cast<void*>(p), bytes);
          }};
}

void forget_pages(const void* data, size_t bytes) noexcept {
  const uintptr_t page = page_bytes();
  const auto from = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = (from + page - 1) / page * page, end = (from + bytes) / page * page;
  if (data == nullptr || begin >= end) return;
  const std::lock_guard lock(mapped().mutex);
  if (is_mapped(from, bytes)) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void forget_files(std::span<const void* const> data) noexcept {
  const std::lock_guard lock(mapped().mutex);
  const auto& all = mapped().bytes;
  uintptr_t last = 0;  // neighbours in a list mostly lie in one file
  for (const void* p : data) {
    auto at = all.upper_bound(reinterpret_cast<uintptr_t>(p));
    if (at == all.begin()) continue;
    --at;
    if (reinterpret_cast<uintptr_t>(p) >= at->first + at->second || at->first == last) continue;
    last = at->first;
    ::madvise(reinterpret_cast<void*>(last), at->second, MADV_DONTNEED);
  }
}

void give_back_freed_memory() noexcept {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

Tensor spilled(const Tensor& tensor, size_t above) {
  if (tensor.dtype() == DType::string || tensor.bytes() < above || tensor.bytes() == 0) return tensor;
  {
    const std::lock_guard lock(mapped().mutex);
    if (is_mapped(reinterpret_cast<uintptr_t>(tensor.raw()), tensor.bytes())) return tensor;
  }
  give_back_freed_memory();
  const int file = nameless_file();
  if (file < 0) return tensor;
  const bool written = write_all(file, tensor.raw(), tensor.bytes());
  void* memory = written ? ::mmap(nullptr, tensor.bytes(), PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  ::close(file);
  if (memory == MAP_FAILED) return tensor;
  return Tensor::view(tensor.dtype(), tensor.shape(), memory, own_file_pages(memory, tensor.bytes()));
}

SpillFile::~SpillFile() {
  if (file_ >= 0) ::close(file_);
}

Tensor SpillFile::add(DType type, Shape shape, const void* data) {
  const size_t bytes = Tensor::described(type, shape).bytes(), begin = (end_ + page_bytes() - 1) / page_bytes() * page_bytes();
  if (failed_ || bytes == 0) return {};
  if (file_ < 0) file_ = nameless_file();
  const bool written = file_ >= 0 && ::lseek(file_, static_cast<off_t>(begin), SEEK_SET) >= 0 &&
                       write_all(file_, static_cast<const std::byte*>(data), bytes);
  void* memory = written ? ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file_, static_cast<off_t>(begin)) : MAP_FAILED;
  failed_ = memory == MAP_FAILED;
  if (failed_) return {};
  end_ = begin + bytes;
  forget_pages(data, bytes);
  return Tensor::view(type, std::move(shape), memory, own_file_pages(memory, bytes));
}

}  // namespace bitwright
