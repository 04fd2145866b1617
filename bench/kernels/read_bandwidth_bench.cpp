// B0: bytes per second that one and two threads read, from each level of cache and from memory, in pages of 4 KiB and of 2 MiB.
// Nothing is computed that could be checked.
#include <sys/mman.h>

#include "kernels/peak.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

constexpr size_t kHuge = size_t{2} << 20;

/// Memory of its own pages, all touched.
class Pages {
 public:
  Pages(int64_t bytes, int advice) : bytes_(static_cast<size_t>(bytes)), mapped_(bytes_ + kHuge) {
    memory_ = static_cast<std::byte*>(::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED) fail(ErrorCode::resource, "no memory for ", bytes, " bytes");
    const auto address = reinterpret_cast<uintptr_t>(memory_);
    first_ = memory_ + ((address + kHuge - 1) / kHuge * kHuge - address);
    ::madvise(first_, bytes_, advice);
    std::fill(first_, first_ + bytes_, std::byte{1});
  }
  Pages(const Pages&) = delete;
  ~Pages() { ::munmap(memory_, mapped_); }
  std::span<const std::byte> bytes() const { return {first_, bytes_}; }

 private:
  size_t bytes_, mapped_;
  std::byte *memory_, *first_;
};

void bandwidth(benchmark::State& state, int64_t bytes, int advice, int count) {
  Threads threads(count);
  const Pages pages(bytes, advice);
  double best = 0;
  for (auto _ : state) best = std::max(best, read_bandwidth(pages.bytes(), threads));
  state.counters["GB/s"] = best / 1e9;
}

[[maybe_unused]] const bool registered = [] {
  for (const int64_t kib : {16, 512, 8 << 10, 256 << 10})
    for (const auto& [name, advice] : {std::pair{"4K", MADV_NOHUGEPAGE}, std::pair{"2M", MADV_HUGEPAGE}})
      for (const int count : {1, 2})
        if (kib >= 2048 || advice == MADV_NOHUGEPAGE)
          add_benchmark(str("B0_read_bandwidth/kib_", kib, "/pages_", name, "/threads_", count), bandwidth, kib << 10, advice, count)
              ->Iterations(3);
  return true;
}();

}  // namespace
}  // namespace bitwright
