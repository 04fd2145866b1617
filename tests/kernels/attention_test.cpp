#include "kernels/attention/attention.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support.hpp"

namespace bitwright {
namespace {

struct Problem {
  int64_t queries, keys, depth, width, heads;
  bool mask;
};

std::vector<float> normal(Random& random, int64_t count) {
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) v = static_cast<float>(random.in(-3000, 3000)) / 1000;
  return x;
}

/// Head 1 of tensors [tokens, heads * depth], and what the kernels make of it.
struct Case {
  Problem p;
  std::vector<float> q, k, v, mask;
  AttentionArgs args;

  Case(Random& random, Problem problem) : p(problem) {
    q = normal(random, p.queries * p.heads * p.depth), k = normal(random, p.keys * p.heads * p.depth);
    v = normal(random, p.keys * p.heads * p.width), mask = normal(random, p.keys);
    const int64_t head = p.heads - 1;
    args = {.queries = p.queries, .keys = p.keys, .depth = p.depth, .width = p.width};
    args.q = q.data() + head * p.depth, args.k = k.data() + head * p.depth, args.v = v.data() + head * p.width;
    args.q_row = args.k_row = p.heads * p.depth, args.v_row = args.dst_row = p.heads * p.width;
    args.mask = p.mask ? mask.data() : nullptr;
    args.scale = 0.3f;
  }

  std::vector<float> run(AttentionKernel kernel, int64_t grain) const {
    std::vector<float> y(static_cast<size_t>(p.queries * p.heads * p.width), -7.0f);
    Exact<float> scratch(attention_scratch_bytes(p.keys, p.depth, p.width) / 4);
    AttentionArgs mine = args;
    float range[2] = {0, 0};
    mine.range = range;
    mine.dst = y.data() + (p.heads - 1) * p.width;
    mine.scratch = scratch.data();
    for (int64_t row = 0; row < p.queries; row += grain) kernel(mine, row, std::min(p.queries, row + grain));
    float least = 0, most = 0;
    for (int64_t i = 0; i < p.queries; ++i)
      for (int64_t c = 0; c < p.width; ++c) {
        const float value = mine.dst[i * mine.dst_row + c];
        if (value < least) least = value;
        if (value > most) most = value;
      }
    EXPECT_EQ(range[0], least);
    EXPECT_EQ(range[1], most);
    return y;
  }
};

const Problem kProblems[] = {{1, 1, 1, 1, 1, false}, {6, 16, 32, 32, 1, true},   {7, 15, 5, 3, 2, true},  {13, 64, 32, 32, 3, false},
                             {5, 65, 8, 17, 2, true}, {128, 128, 32, 32, 2, true}, {19, 81, 64, 64, 2, false}, {2, 200, 33, 100, 1, true}, {10, 18, 7, 31, 2, true}};

TEST(Attention, TheBitsAreTheSameOnEveryInstructionSetAndWithAnyCut) {
  Random random(seed());
  for (const Problem& p : kProblems) {
    const Case c(random, p);
    const auto wanted = c.run(attention_f32_ref, p.queries);
    for (const AttentionRow& row : attention_kernels()) {
      if (!machine_has(row.isa)) continue;
      for (const int64_t grain : {p.queries, int64_t{1}, int64_t{4}})
        EXPECT_EQ(std::memcmp(c.run(row.kernel, grain).data(), wanted.data(), wanted.size() * sizeof(float)), 0)
            << row.name << " queries " << p.queries << " keys " << p.keys << " depth " << p.depth << " grain " << grain;
    }
  }
}

TEST(Attention, IsNearTheExactOne) {
  Random random(seed());
  for (const Problem& p : kProblems) {
    const Case c(random, p);
    const auto y = c.run(select_attention().kernel, p.queries);
    const int64_t head = p.heads - 1;
    for (int64_t i = 0; i < p.queries; ++i) {
      std::vector<double> t(static_cast<size_t>(p.keys));
      double most = -1e300, sum = 0;
      for (int64_t j = 0; j < p.keys; ++j) {
        double s = 0;
        for (int64_t d = 0; d < p.depth; ++d)
          s += double{c.args.q[i * c.args.q_row + d]} * double{c.args.k[j * c.args.k_row + d]};
        auto& at = t[static_cast<size_t>(j)];
        at = s * double{c.args.scale} + (p.mask ? double{c.mask[static_cast<size_t>(j)]} : 0);
        most = std::max(most, at);
      }
      for (double& value : t) sum += value = std::exp(value - most);
      for (int64_t o = 0; o < p.heads * p.width; ++o) {
        const int64_t column = o - head * p.width;
        double wanted = -7;  // other heads stay as they were
        if (column >= 0) wanted = 0;
        for (int64_t j = 0; j < p.keys && column >= 0; ++j) wanted += t[static_cast<size_t>(j)] / sum * double{c.args.v[j * c.args.v_row + column]};
        ASSERT_NEAR(double{y[static_cast<size_t>(i * p.heads * p.width + o)]}, wanted, 2e-5);
      }
    }
  }
}

TEST(Attention, MaskedKeysHaveNoWeightAndNaNsStay) {
  Random random(seed());
  Case c(random, {3, 40, 8, 16, 1, true});
  for (size_t j = 20; j < 40; ++j) c.mask[j] = j % 2 ? -INFINITY : -3.4028235e38f;
  const auto y = c.run(select_attention().kernel, 3);
  for (size_t j = 20 * 16; j < c.v.size(); ++j) c.v[j] = 1e6f;
  EXPECT_EQ(c.run(select_attention().kernel, 3), y);
  c.mask[0] = NAN;
  for (const float value : c.run(select_attention().kernel, 3)) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace bitwright
