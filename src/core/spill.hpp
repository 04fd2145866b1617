// Models larger than memory: weights stay in the files they came from, and what is computed from them goes to files without
// a name. Pages of both count as memory only while they are used; these functions say when they no longer are.
#pragma once

#include "core/tensor.hpp"

namespace bitwright {

/// Pages that lie wholly within these bytes leave memory, if they belong to a MappedFile or a spilled tensor; they come back
/// from the file when they are read. Other memory is left alone.
void forget_pages(const void* data, size_t bytes) noexcept;
inline void forget_pages(const Tensor& tensor) noexcept {
  if (tensor.dtype() != DType::string) forget_pages(tensor.raw(), tensor.bytes());
}

/// The same for all pages of every file that some of these bytes come from.
void forget_files(std::span<const void* const> data) noexcept;

/// Freed memory that the allocator keeps between blocks still in use goes back to the system, where it can be asked for that.
void give_back_freed_memory() noexcept;

constexpr size_t kSpillAbove = size_t{4} << 20;

/// The same contents in a temporary file (in $TMPDIR, else /var/tmp) that has no name any more, if they are at least `above` bytes, not in a file already,
/// and the file can be made; else the tensor itself.
Tensor spilled(const Tensor& tensor, size_t above = kSpillAbove);

/// One temporary file for many tensors: what cannot stay where it is in a mapped file, because it is not aligned there.
class SpillFile {
 public:
  SpillFile() = default;
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  /// These bytes as a tensor that lies in the file, which is made with the first; Tensor() where that cannot be done. What `data`
  /// is mapped from is forgotten. Not for several threads.
  Tensor add(DType type, Shape shape, const void* data);

 private:
  int file_ = -1;
  bool failed_ = false;
  size_t end_ = 0;
};

}  // namespace bitwright
