// What the kernel tests share: seeded random codes, buffers that end where their page ends, outputs with poisoned
// margins.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "kernels/requantize/proof.hpp"

namespace bitwright {

/// BITWRIGHT_SEED, or one from the clock; printed, so that a failure can be run again.
inline uint64_t seed() {
  const char* word = std::getenv("BITWRIGHT_SEED");
  const uint64_t value = word ? std::strtoull(word, nullptr, 10) : std::random_device{}();
  std::cout << "BITWRIGHT_SEED=" << value << "\n";
  return value;
}

/// Memory that ends at an unreadable page (or starts after one): a kernel that reads or writes one byte too far dies.
/// The start is as misaligned as the size makes it.
template <class T>
class Exact {
 public:
  explicit Exact(int64_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = static_cast<size_t>(count) * sizeof(T);
    mapped_ = (bytes + page - 1) / page * page + page;
    memory_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    BW_CHECK(memory_ != MAP_FAILED);
    BW_CHECK(mprotect(memory_ + mapped_ - page, page, PROT_NONE) == 0);
    data_ = reinterpret_cast<T*>(memory_ + mapped_ - page - bytes);
  }
  Exact(Exact&& other) noexcept
      : memory_(other.memory_), mapped_(other.mapped_), data_(other.data_), count_(other.count_) {
    other.memory_ = nullptr;
  }
  Exact(const Exact&) = delete;
  Exact& operator=(const Exact&) = delete;
  ~Exact() {
    if (memory_) munmap(memory_, mapped_);
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  int64_t size() const { return count_; }

 private:
  char* memory_;
  size_t mapped_;
  T* data_;
  int64_t count_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int64_t in(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(engine_); }

  /// One in eight codes is extreme.
  Exact<uint8_t> bytes(int64_t count) {
    return make<uint8_t>(count, [&] { return in(0, 7) ? in(0, 255) : 255 * in(0, 1); });
  }
  Exact<int8_t> weights(int64_t count, int64_t largest) {
    return make<int8_t>(count, [&] {
      return in(0, 7) || largest < 127 ? in(-largest, largest) : in(0, 1) ? 127 : -128;
    });
  }
  Exact<int32_t> ints_in(int64_t count, int64_t lo, int64_t hi) {
    return make<int32_t>(count, [&] { return in(lo, hi); });
  }
  Exact<int32_t> ints(int64_t count, int64_t largest) { return ints_in(count, -largest, largest); }
  Exact<float> floats(int64_t count) {
    return make<float>(count, [&] { return std::uniform_real_distribution<float>(0.001f, 2.0f)(engine_); });
  }

 private:
  template <class T, class F>
  Exact<T> make(int64_t count, F&& value) {
    Exact<T> out(count);
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(value());
    return out;
  }
  std::mt19937_64 engine_;
};

/// Multipliers that spread sums of k products over the codes; the step is taken as asked, without proof.
inline RequantizePlan random_plan(Random& random, int64_t channels, int64_t k, RequantizeStep step) {
  RequantizeSpec spec;
  spec.src_scale = 0.02f;
  spec.dst_scale = 0.02f * 60.0f * static_cast<float>(k + 1);
  for (int64_t c = 0; c < channels; ++c) spec.weight_scale.push_back(static_cast<float>(random.in(1, 1000)) * 0.013f);
  spec.zero_point = static_cast<int32_t>(random.in(0, 255));
  spec.lo = static_cast<int32_t>(random.in(0, 100));
  spec.hi = static_cast<int32_t>(random.in(150, 255));
  RequantizePlan plan = plan_requantize(spec, {{0, 0}});
  plan.constants.profile = RequantizeProfile::real;
  plan.constants.step = step;
  return plan;
}

/// Output memory between margins of a poison byte.
class Guarded {
 public:
  Guarded(int64_t elements, DType type)
      : bytes_(static_cast<size_t>(elements * bits_of(type) / 8) + 2 * kMargin, kPoison) {}
  void* data() { return bytes_.data() + kMargin; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  bool margins_intact() const {
    for (size_t i = 0; i < kMargin; ++i)
      if (bytes_[i] != kPoison || bytes_[bytes_.size() - 1 - i] != kPoison) return false;
    return true;
  }

 private:
  static constexpr size_t kMargin = 256;
  static constexpr uint8_t kPoison = 0xa5;
  std::vector<uint8_t> bytes_;
};

}  // namespace bitwright
