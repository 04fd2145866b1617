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

// 49 pixels times 960 x 320 weights went row by row: 300 kB read for one row each.
TEST(Program, ChunksUseTheWeightsForSeveralRows) {
  EXPECT_EQ(chunk_rows(49, 960 * 320), 10);   // five alike, not four and a rest
  EXPECT_EQ(chunk_rows(16, 1 << 20), 8);      // one for each of two threads
  EXPECT_EQ(chunk_rows(1, 1 << 20), 1);
  EXPECT_EQ(chunk_rows(100352, 27 * 32), 303);  // cheap rows: about 2^18 multiply-adds
  EXPECT_EQ(chunk_rows(0, 100), 0);
  EXPECT_EQ(chunk_rows(5, 0), 5);
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
