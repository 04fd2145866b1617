// What the microbenchmarks of the kernels share: seeded codes, products with what they need, and rates as shares of what this
// machine reaches at most. One thread everywhere but where the name says otherwise.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "kernels/conv/conv.hpp"
#include "kernels/matmul/matmul.hpp"

namespace bitwright {

template <class T>
std::vector<T> random_codes(int64_t count, int lo, int hi) {
  std::mt19937 engine(7);
  std::uniform_int_distribution<int> code(lo, hi);
  std::vector<T> out(static_cast<size_t>(count));
  for (T& value : out) value = static_cast<T>(code(engine));
  return out;
}

/// Sums of k products become codes around 128, or around 0 with a range that a byte's saturation gives.
RequantizePlan plan_for(int64_t k, const std::vector<Reach>& reach, int32_t zero_point = 128);

/// [m, k] x [k, n] codes, packed, with results of `type`.
struct Product {
  Product(int64_t m, int64_t n, int64_t k, DType type = DType::u8, int largest_weight = 127, int32_t zero_point = 128);
  Product(const Product&) = delete;
  /// Whether `compute` leaves in memory what the reference does.
  bool right(const std::function<void()>& compute);
  double macs() const { return static_cast<double>(args.m * args.n * args.k); }

  MatMulArgs args;
  std::vector<uint8_t> out;

 private:
  std::vector<uint8_t> a_;
  std::vector<int8_t> b_;
  std::vector<float> scale_;
  PackedWeights packed_;
  RequantizePlan plan_;
};

/// 8-bit multiply-adds per second of one thread at most: measured once, the best of many stretches.
double peak_of(Isa isa);
/// Counters "MAC/s" and, where the peak is known, "of_peak"; `macs` per iteration.
void report_macs(benchmark::State& state, Isa isa, double macs);
/// Cycles of the core per second, now.
double cycles_per_second();
/// Counter `name`: `per_iteration` of something per second of the iterations' time.
void report_rate(benchmark::State& state, const std::string& name, double per_iteration);

/// What was computed is not what the reference gives.
inline void report_wrong(benchmark::State& state) { state.SkipWithError("differs from the reference"); }

template <class... Args>
benchmark::internal::Benchmark* add_benchmark(const std::string& name, Args&&... args) {
  return benchmark::RegisterBenchmark(name.c_str(), std::forward<Args>(args)...);
}

}  // namespace bitwright
