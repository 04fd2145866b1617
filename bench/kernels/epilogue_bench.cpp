// B5: cycles per 16 outputs from sums to what is stored, of a product so short (K = 4) that little else is left, with and without
// what follows it in place (a table, a residual sum); and the share of the peak by K, beside what a kernel would reach whose codes,
// at 220 cycles a block of 32 x 32, wait for its products: K / (K + 220), which AMX has to beat by doing both at once.
#include "kernels/elementwise/select.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 48, kColumns = 64, kShort = 4;

struct Ending {
  const char* name;
  DType type = DType::u8;
  RequantizeStep step = RequantizeStep::f32;
  int32_t zero_point = 128;
};
const Ending kEndings[] = {{"sums", DType::i32},
                           {"floats", DType::f32},
                           {"codes_by_float"},
                           {"codes_by_float_zero_0", DType::u8, RequantizeStep::f32, 0},
                           {"codes_by_double", DType::u8, RequantizeStep::f64},
                           {"codes_by_definition", DType::u8, RequantizeStep::exact}};

void report_cycles(benchmark::State& state) {
  const double cycles = cycles_per_second();
  state.counters["cycles/16"] = benchmark::Counter(kRows * kColumns / 16 / cycles, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void ending(benchmark::State& state, const MatMulRow* row, const Ending* of) {
  Product product(kRows, kColumns, kShort, of->type, 127, of->zero_point);
  product.args.out.requantize.step = of->step;
  const auto compute = [&] { row->kernel(product.args, 0, kRows); };
  if (!product.right(compute)) return report_wrong(state);
  for (auto _ : state) compute();
  report_cycles(state);
}

/// The codes, and then a table over them or their sum with others, in place, as followers.hpp does it.
template <class Args>
void followed(benchmark::State& state, const MatMulRow* row, const std::vector<ElementwiseRow<Args>>* rows, Args args) {
  Product product(kRows, kColumns, kShort);
  const auto* best = select_elementwise(*rows, true, row->isa).row;
  const auto with = [&](const MatMulRow& products, const ElementwiseRow<Args>& follower) {
    products.kernel(product.args, 0, kRows);
    follower.kernel(args, 0, kRows * kColumns);
  };
  if constexpr (std::is_same_v<Args, LookupArgs>) args.src = args.dst = product.out.data();
  else args.a = args.dst = product.out.data();
  with(matmul_kernels().back(), rows->back());
  const std::vector<uint8_t> wanted = product.out;
  std::fill(product.out.begin(), product.out.end(), uint8_t{0});
  with(*row, *best);
  if (product.out != wanted) return report_wrong(state);
  for (auto _ : state) with(*row, *best);
  report_cycles(state);
}

void share_by_k(benchmark::State& state, const MatMulRow* row, int64_t k) {
  Product product(96, 256, k);
  const auto compute = [&] { row->kernel(product.args, 0, product.args.m); };
  if (!product.right(compute)) return report_wrong(state);
  for (auto _ : state) compute();
  report_macs(state, row->isa, product.macs());
  state.counters["without_overlap"] = static_cast<double>(k) / static_cast<double>(k + 220);
}

const std::vector<uint8_t>& other_codes() {
  static const auto codes = random_codes<uint8_t>(kRows * kColumns, 0, 255);
  return codes;
}

[[maybe_unused]] const bool registered = [] {
  BinaryArgs sum;
  sum.b = other_codes().data(), sum.qa = {0.1f, 128}, sum.qb = {0.2f, 90}, sum.qy = {0.25f, 30};
  set_add(sum);
  LookupArgs table;
  table.table = other_codes().data();
  for (const MatMulRow& row : matmul_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (const Ending& of : kEndings) add_benchmark(str("B5_epilogue/", row.name, "/", of.name), ending, &row, &of);
    add_benchmark(str("B5_epilogue/", row.name, "/codes_and_table"), followed<LookupArgs>, &row, &elementwise_kernels().lookup, table);
    add_benchmark(str("B5_epilogue/", row.name, "/codes_and_residual"), followed<BinaryArgs>, &row, &elementwise_kernels().add, sum);
    for (const int64_t k : {64, 128, 256, 576, 1152, 2304}) add_benchmark(str("B5_overlap/", row.name, "/k_", k), share_by_k, &row, k);
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
