// B3: matrix products of codes, square ones and those of a transformer's layers. B8: a single row, which is bound by how fast the
// weights come from memory; formats of fewer bits than 8 come with language models.
#include "kernels/peak.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

void matmul(benchmark::State& state, const MatMulRow* row, int64_t m, int64_t n, int64_t k) {
  Product product(m, n, k);
  const auto compute = [&] { row->kernel(product.args, 0, m); };
  if (!product.right(compute)) return report_wrong(state);
  for (auto _ : state) compute();
  report_macs(state, row->isa, product.macs());
}

void gemv(benchmark::State& state, const MatMulRow* row, int64_t n, int64_t k) {
  Product product(1, n, k, DType::f32);
  const auto compute = [&] { row->kernel(product.args, 0, 1); };
  if (!product.right(compute)) return report_wrong(state);
  for (auto _ : state) compute();
  Threads alone(1);
  report_rate(state, "bytes/s", static_cast<double>(n * k));
  report_rate(state, "of_read_bandwidth", static_cast<double>(n * k) / read_bandwidth(n * k, alone));
}

constexpr struct {
  int64_t m, n, k;
} kSizes[] = {{64, 64, 64},    {128, 128, 128},   {256, 256, 256},  {512, 512, 512}, {768, 768, 768},
              {1024, 1024, 1024}, {16, 384, 384}, {128, 384, 384}, {128, 1536, 384}, {128, 384, 1536}};

[[maybe_unused]] const bool registered = [] {
  for (const MatMulRow& row : matmul_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (const auto& s : kSizes) add_benchmark(str("B3_matmul/", row.name, "/", s.m, "x", s.n, "x", s.k), matmul, &row, s.m, s.n, s.k);
    for (const int64_t n : {1024, 4096, 8192}) add_benchmark(str("B8_gemv/", row.name, "/1x", n, "x4096"), gemv, &row, n, 4096);
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
