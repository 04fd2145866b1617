// B10: a new thread's first product, checked: with AMX it begins with the self-test that every worker makes; the difference to the
// other rows, which have none, is what that costs. On machines without AMX only the others are there.
#include "core/threads.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

/// New workers, each with one product of its own.
bool first_products(const MatMulRow& row, std::vector<std::unique_ptr<Product>>& products) {
  Threads workers(static_cast<int>(products.size()));
  std::vector<char> right(products.size(), 0);
  workers.run(std::ssize(products), [&](int64_t i) {
    Product& mine = *products[static_cast<size_t>(i)];
    right[static_cast<size_t>(i)] = mine.right([&] { row.kernel(mine.args, 0, mine.args.m); });
  });
  return std::find(right.begin(), right.end(), char{0}) == right.end();
}

void first_product(benchmark::State& state, const MatMulRow* row, int count) {
  std::vector<std::unique_ptr<Product>> products;
  for (int i = 0; i < count; ++i) products.push_back(std::make_unique<Product>(48, 64, 256));
  for (auto _ : state)
    if (!first_products(*row, products)) return report_wrong(state);
}

[[maybe_unused]] const bool registered = [] {
  for (const MatMulRow& row : matmul_kernels())
    if (machine_has(row.isa) && row.isa >= Isa::avx2)
      for (const int count : {1, 2}) add_benchmark(str("B10_first_product/", row.name, "/threads_", count), first_product, &row, count)->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace bitwright
