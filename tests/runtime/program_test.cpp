// What a Program promises beside its numbers: runs of known shapes allocate nothing, plans of other shapes share what does
// not depend on the shape, and threads may ask for plans at the same time.
#include <gtest/gtest.h>

#include <thread>

#include "allocations.hpp"
#include "runtime/plan.hpp"
#include "runtime/weights.hpp"
#include "small.hpp"

namespace bitwright {
namespace {

std::shared_ptr<const Program> integer_program() { return Program::compile(Small("uint8").model, {.target = Target::integer}); }

TEST(Program, IntegerRunsAllocateNothing) {
  Small small("uint8");
  bitwright::Run run(Program::compile(small.model), {.threads = 2});
  const Tensor inputs[] = {small.noise({2, 3, 9, 8}, 1)};
  run(inputs);  // makes the plan
  const int64_t before = allocations();
  run(inputs);
  EXPECT_EQ(allocations() - before, 0);
}

TEST(Program, PlansShareWhatDoesNotDependOnTheShape) {
  if (isa_cap() == Isa::ref) GTEST_SKIP() << "the reference kernels read weights as they are: little to share";
  const auto program = integer_program();
  auto cost = [&](int64_t batch) {
    const int64_t before = allocated_bytes();
    program->plan(std::vector<Shape>{{batch, 3, 9, 8}});
    return allocated_bytes() - before;
  };
  const int64_t first = cost(1), second = cost(2);
  EXPECT_LT(second, first / 2);
  EXPECT_EQ(cost(2), cost(1));  // both in the cache: only the list of shapes is made
}

TEST(Program, PiecesOfAProductCoverItAndUseTheWeightsForSeveralRows) {
  for (const int64_t rows : {0, 1, 5, 16, 49, 3136})
    for (const int64_t panels : {1, 3, 15})
      for (const int64_t threads : {1, 2, 3}) {
        const Cut cut(rows, panels, rows * panels * 64 * 320, threads);
        std::vector<int> seen(static_cast<size_t>(rows * panels));
        for (int64_t i = 0; i < cut.pieces; ++i)
          for (int64_t r = cut[i].row0; r < cut[i].row1; ++r)
            for (int64_t p = cut[i].panel0; p < cut[i].panel1; ++p) ++seen[static_cast<size_t>(r * panels + p)];
        EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
        EXPECT_TRUE(threads > 1 || cut.pieces <= 1);
      }
  const Cut wide(49, 15, 49 * 960 * 320, 2), tall(3136, 1, 3136 * 64 * 64, 2);
  EXPECT_FALSE(wide.by_rows);  // 300 kB of weights are read once, not by every few rows
  EXPECT_TRUE(tall.by_rows);
  EXPECT_EQ(tall.pieces, 4);
}

TEST(Program, ThreadsThatAskForPlansGetTheSameOnes) {
  const auto program = integer_program();
  constexpr int kThreads = 4, kBatches = 5;
  std::shared_ptr<const Plan> plans[kThreads][kBatches];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int b = 0; b < kBatches; ++b) {
        const int batch = (b + t) % kBatches;  // each starts at another one
        plans[t][batch] = program->plan(std::vector<Shape>{{batch + 1, 3, 9, 8}});
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (int t = 1; t < kThreads; ++t)
    for (int b = 0; b < kBatches; ++b) EXPECT_EQ(plans[t][b], plans[0][b]);
}

}  // namespace
}  // namespace bitwright
