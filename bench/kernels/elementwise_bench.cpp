// B5: elementwise kernels by themselves, in the second-level cache: tables, sums, products, the ways in from and out to float.
#include "kernels/elementwise/select.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

constexpr int64_t kCount = 1 << 16;

const std::vector<uint8_t> kA = random_codes<uint8_t>(kCount, 0, 255);
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
  std::fill(dst.begin(), dst.end(), uint8_t{0});
  row->kernel(args, 0, kCount);
  if (dst != wanted) return report_wrong(state);
  for (auto _ : state) row->kernel(args, 0, kCount);
  report_rate(state, "elements/s", kCount);
}

template <class Args>
void add(const std::vector<ElementwiseRow<Args>>& rows, Args args) {
  for (const auto& row : rows)
    if (machine_has(row.isa)) add_benchmark(str("B5_elementwise/", row.name), run<Args>, &rows, &row, args);
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
