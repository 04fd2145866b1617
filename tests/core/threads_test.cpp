#include "core/threads.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "core/error.hpp"

namespace bitwright {
namespace {

TEST(Threads, EveryChunkOnceAndNoTwoWorkersShareAnIndex) {
  for (int repeat = 0; repeat < 200; ++repeat) {
    Threads threads(3);
    std::vector<int> seen(50, 0);
    std::vector<std::atomic<int>> inside(3);
    std::atomic<int> clashes{0};
    threads.run(50, [&](int64_t chunk) {
      auto& mine = inside[static_cast<size_t>(Threads::worker())];
      if (mine.fetch_add(1) != 0) ++clashes;
      ++seen[static_cast<size_t>(chunk)];
      for (std::atomic<int> spin{0}; spin < 200;) ++spin;
      mine.fetch_sub(1);
    });
    ASSERT_EQ(seen, std::vector<int>(50, 1));
    ASSERT_EQ(clashes, 0);
  }
}

TEST(Threads, APoolInsideAWorkerOfAnotherCountsFromZero) {
  Threads outer(3);
  std::atomic<int> wrong{0};
  outer.run(30, [&](int64_t) {
    const int mine = Threads::worker();
    Threads inner(1);
    inner.run(2, [&](int64_t) { wrong += Threads::worker() != 0; });
    wrong += Threads::worker() != mine;
  });
  EXPECT_EQ(wrong, 0);
}

TEST(Threads, AnErrorInAChunkReachesTheCaller) {
  Threads threads(2);
  EXPECT_THROW(threads.run(10, [](int64_t chunk) { if (chunk == 7) fail(ErrorCode::numeric, "seven"); }), Error);
  int64_t sum = 0;  // and the pool goes on working
  threads.run(1, [&](int64_t chunk) { sum += chunk + 1; });
  EXPECT_EQ(sum, 1);
}

TEST(Threads, RunsFollowEachOtherWithoutLosingOrMixingChunks) {
  Threads threads(3);
  for (int64_t repeat = 0; repeat < 20000; ++repeat) {
    const int64_t chunks = 2 + repeat % 5;
    std::atomic<int64_t> sum{0};
    threads.run(chunks, [&](int64_t chunk) { sum += repeat + chunk; });
    ASSERT_EQ(sum, chunks * repeat + chunks * (chunks - 1) / 2);
  }
}

}  // namespace
}  // namespace bitwright
