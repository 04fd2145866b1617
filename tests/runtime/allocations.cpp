// In a file of its own: a compiler that saw malloc behind new and free behind delete would warn of a mismatch.
#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<int64_t> count{0}, bytes{0};

}  // namespace

void* operator new(size_t size, const std::nothrow_t&) noexcept {  // std::stable_sort's, freed by the plain delete
  ++count;
  bytes += static_cast<int64_t>(size);
  return std::malloc(size);
}
void* operator new(size_t size) {
  if (void* memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace bitwright {

int64_t allocations() { return count; }
int64_t allocated_bytes() { return bytes; }

}  // namespace bitwright
