#include "support.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "kernels/peak.hpp"

namespace bitwright {

RequantizePlan plan_for(int64_t k, const std::vector<Reach>& reach, int32_t zero_point) {
  RequantizeSpec spec;
  spec.src_scale = 1, spec.dst_scale = 100.0f * static_cast<float>(k), spec.zero_point = zero_point;
  spec.weight_scale.assign(reach.size(), 1.0f);
  return plan_requantize(spec, reach);
}

Product::Product(int64_t m, int64_t n, int64_t k, DType type, int largest_weight, int32_t zero_point)
    : out(static_cast<size_t>(m * n * bits_of(type) / 8)),
      a_(random_codes<uint8_t>(m * k, 0, 255)),
      b_(random_codes<int8_t>(k * n, -largest_weight, largest_weight)),
      scale_(static_cast<size_t>(n + 64), 0.01f),
      packed_(pack_matmul(k, n, b_.data(), n, 1, nullptr, {})),
      plan_(plan_for(k, packed_.reach, zero_point)) {
  args.m = m, args.n = n, args.k = k, args.a = a_.data(), args.a_stride = k, args.b = b_.data(), args.packed = &packed_;
  args.out = {type, out.data(), n, plan_.view(), {.scale = scale_.data()}};
}

bool Product::right(const std::function<void()>& compute) {
  matmul_ref(args, 0, args.m);
  const std::vector<uint8_t> wanted = out;
  std::fill(out.begin(), out.end(), uint8_t{0});
  compute();
  return out == wanted;
}

double peak_of(Isa isa) {
  static std::map<Isa, double> peaks;
  const auto [at, first] = peaks.try_emplace(isa, 0);
  if (!first) return at->second;
  Threads alone(1);
  for (int i = 0; i < 20; ++i) at->second = std::max(at->second, peak_macs(isa, alone));
  return at->second;
}

void report_rate(benchmark::State& state, const std::string& name, double per_iteration) {
  state.counters[name] = benchmark::Counter(per_iteration, benchmark::Counter::kIsIterationInvariantRate);
}

void report_macs(benchmark::State& state, Isa isa, double macs) {
  report_rate(state, "MAC/s", macs);
  if (const double peak = peak_of(isa)) report_rate(state, "of_peak", macs / peak);
}

double cycles_per_second() {
#if defined(__x86_64__)
  constexpr int kProducts = 10, kLoops = 10000, kLatency = 3;  // of imul, on every x86 of this century
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    uint64_t x = 3;
    for (int loop = 0; loop < kLoops; ++loop)
      for (int product = 0; product < kProducts; ++product) asm volatile("imul %0, %0" : "+r"(x));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, kLatency * kProducts * kLoops / took.count());
  }
  return best;
#else
  return 0;
#endif
}

}  // namespace bitwright
