#include <benchmark/benchmark.h>

#include <cmath>

#include "kernels/elementwise/select.hpp"

namespace bitwright {
namespace {

constexpr int64_t kCount = 1 << 16;

std::vector<uint8_t> codes() {
  std::vector<uint8_t> out(kCount);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  return out;
}

const std::vector<uint8_t> kA = codes();
std::vector<uint8_t> dst(kCount), wanted(kCount);
std::vector<float> floats(kCount, 0.3f);

LookupArgs lookup_args() { return {kA.data(), dst.data(), kA.data()}; }
BinaryArgs binary_args() {
  BinaryArgs args;
  args.a = args.b = kA.data(), args.dst = dst.data(), args.qa = {0.1f, 7}, args.qb = {0.2f, 90}, args.qy = {0.25f, 30};
  return args;
}
BinaryArgs add_args() {
  BinaryArgs args = binary_args();
  set_add(args);
  return args;
}
BinaryArgs mul_args() {
  BinaryArgs args = binary_args();
  set_mul(args);
  return args;
}
QuantizeArgs quantize_args() {
  QuantizeArgs args;
  args.src = floats.data(), args.dst = dst.data(), args.q = {0.02f, 9};
  return args;
}

// Verifies against the last row, the reference, then times.
template <class Args>
void run(benchmark::State& state, const std::vector<ElementwiseRow<Args>>* rows, const ElementwiseRow<Args>* row,
         Args args) {
  rows->back().kernel(args, 0, kCount);
  wanted = dst;
  row->kernel(args, 0, kCount);
  if (dst != wanted) return state.SkipWithError("differs from the reference");
  for (auto _ : state) row->kernel(args, 0, kCount);
  state.counters["elements/s"] = benchmark::Counter(kCount, benchmark::Counter::kIsIterationInvariantRate);
}

template <class Args>
void add(const std::vector<ElementwiseRow<Args>>& rows, Args args) {
  for (const auto& row : rows)
    if (machine_has(row.isa)) benchmark::RegisterBenchmark(row.name, run<Args>, &rows, &row, args);
}

[[maybe_unused]] const bool registered = [] {
  add(elementwise_kernels().lookup, lookup_args());
  add(elementwise_kernels().add, add_args());
  add(elementwise_kernels().mul, mul_args());
  add(elementwise_kernels().quantize, quantize_args());
  return true;
}();

}  // namespace
}  // namespace bitwright
