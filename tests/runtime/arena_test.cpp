// The arena of a plan: buffers that are alive together lie apart, and it is hardly larger than what must be alive at once.
#include <gtest/gtest.h>

#include <filesystem>

#include "random_net.hpp"
#include "runtime/plan.hpp"

namespace bitwright {
namespace {

void expect_tight(const Plan& plan, const std::string& what) {
  const int64_t least = largest_live_set(plan);
  EXPECT_LE(static_cast<double>(plan.arena_bytes), 1.05 * static_cast<double>(least)) << what << ": " << plan.arena_bytes << " of " << least;
}

void expect_apart(const Plan& plan) {
  const auto end = [](const Buffer& b) { return b.offset + static_cast<int64_t>(b.tensor.bytes()); };
  for (const Buffer& a : plan.buffers)
    for (const Buffer& b : plan.buffers) {
      if (&a == &b || a.kind != Buffer::arena || b.kind != Buffer::arena || a.first < 0 || b.first < 0) continue;
      const bool alive_together = a.first <= b.last && b.first <= a.last;
      EXPECT_TRUE(!alive_together || end(a) <= b.offset || end(b) <= a.offset) << a.offset << " and " << b.offset;
    }
}

void expect_scratch_apart(const Plan& plan, int64_t workers) {
  int64_t bytes = plan.arena_bytes;
  const std::vector<int64_t> at = place_scratch(plan, workers, bytes);
  ASSERT_EQ(at.size(), plan.steps.size());
  for (size_t s = 0; s < at.size(); ++s) {
    const auto step = static_cast<int32_t>(s);
    const int64_t end = at[s] + workers * plan.steps[s]->scratch_bytes;
    EXPECT_EQ(at[s] % 64, 0);
    EXPECT_LE(end, bytes);
    for (const Buffer& b : plan.buffers) {
      if (at[s] == end || b.kind != Buffer::arena || b.first > step || b.last < step) continue;
      EXPECT_TRUE(end <= b.offset || b.offset + static_cast<int64_t>(b.tensor.bytes()) <= at[s]) << "step " << s;
    }
  }
}

TEST(Arena, BuffersThatLiveTogetherLieApartAndClose) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    const RandomNet net(seed);
    const auto plan = Program::compile(net.model)->plan(std::vector<Shape>{net.sample.shape()});
    SCOPED_TRACE(str("seed ", seed));
    expect_apart(*plan);
    expect_tight(*plan, net.described);
    expect_scratch_apart(*plan, 1);
    expect_scratch_apart(*plan, 3);
  }
}

TEST(Arena, LivesThatLargestFirstPlacesBadly) {
  // Two long lives side by side, then a wide one in their middle: by size alone the wide one takes the floor.
  Plan plan;
  class None : public Step {
    void run(StepContext&) const override {}
  };
  const auto buffer = [&](int64_t bytes) { return plan.add_buffer(Buffer::arena, Tensor::described(DType::u8, {bytes - 1})); };
  const auto step = [&](std::vector<BufferId> reads, std::vector<BufferId> writes) {
    auto made = std::make_unique<None>();
    made->reads = std::move(reads), made->writes = std::move(writes);
    plan.steps.push_back(std::move(made));
  };
  const BufferId a = buffer(256), b = buffer(320), c = buffer(192), d = buffer(384), e = buffer(128);
  step({}, {a}), step({a}, {b}), step({b}, {c}), step({c, b}, {e}), step({c, e}, {d}), step({d}, {});
  place_buffers(plan);
  expect_apart(plan);
  expect_tight(plan, "by hand");
}

}  // namespace
}  // namespace bitwright
