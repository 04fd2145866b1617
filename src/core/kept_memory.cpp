#include "core/kept_memory.hpp"

#include <algorithm>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace bitwright {
namespace {

constexpr size_t kHuge = size_t{2} << 20, kPage = size_t{4} << 10, kLine = 64;

constexpr size_t up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// A sanitizer sees what is read beyond a tensor only where each has memory of its own.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kWatched = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kWatched = true;
#else
constexpr bool kWatched = false;
#endif
#else
constexpr bool kWatched = false;
#endif

/// Zeros that begin where a huge page does. The first `huge` bytes, as far as they are whole huge pages, are asked for as such;
/// what lies behind them takes memory page by page as it is written. Null where that cannot be had.
std::shared_ptr<void> map_zeros(size_t bytes, size_t huge) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const size_t size = up(bytes, kPage), reserved = size + kHuge;
  void* memory = kWatched ? MAP_FAILED : ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* from = static_cast<std::byte*>(memory);
  const size_t before = up(reinterpret_cast<uintptr_t>(from), kHuge) - reinterpret_cast<uintptr_t>(from);
  if (before > 0) ::munmap(from, before);
  if (before < kHuge) ::munmap(from + before + size, kHuge - before);
  from += before;
  huge = std::min(huge, bytes) / kHuge * kHuge;
  if (huge > 0) ::madvise(from, huge, MADV_HUGEPAGE);  // fails where there are none: small pages then
  if (huge < size) ::madvise(from + huge, size - huge, MADV_NOHUGEPAGE);
  return {from, [size](void* p) { ::munmap(p, size); }};
#else
  (void)bytes, (void)huge;
  return nullptr;
#endif
}

}  // namespace

Tensor in_huge_pages(DType type, Shape shape) {
  const Tensor described = Tensor::described(type, shape);
  const size_t bytes = described.bytes();
  const auto memory = bytes < kHuge || bytes > size_t{1} << 40 ? nullptr : map_zeros(bytes + kLine, bytes);
  return memory ? Tensor::view(type, std::move(shape), memory.get(), memory) : Tensor(type, std::move(shape));
}

Tensor KeptMemory::keep(const Tensor& tensor) {
  constexpr size_t kLeastBlock = size_t{1} << 20;
  const size_t bytes = up(tensor.bytes() + 1, kLine);  // vectors may be read past the end
  if (tensor.bytes() == 0) return tensor;
  if (used_ + bytes > size_) {
    size_ = std::max({bytes, kLeastBlock, expected_ + expected_ / 8});  // packing pads
    block_ = map_zeros(size_, expected_);
    used_ = 0, expected_ = 0;
    if (!block_) size_ = 0;
  }
  if (!block_) return tensor;
  std::byte* to = static_cast<std::byte*>(block_.get()) + used_;
  std::memcpy(to, tensor.raw(), tensor.bytes());
  used_ += bytes;
  return Tensor::view(tensor.dtype(), tensor.shape(), to, block_);
}

void KeptMemory::trim() noexcept {
#if defined(__linux__)
  const size_t from = up(used_, kPage);
  if (block_ && from < size_) ::madvise(static_cast<std::byte*>(block_.get()) + from, up(size_, kPage) - from, MADV_DONTNEED);
#endif
}

}  // namespace bitwright
