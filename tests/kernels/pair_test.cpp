#include "kernels/matmul/pair.hpp"

#include <gtest/gtest.h>

#include "support.hpp"

namespace bitwright {
namespace {

struct Case {
  int64_t m, n, k;
  DType out;
  int32_t a_zero, b_zero;
};

void check(const Case& c, Random& random) {
  const auto a = random.bytes(c.m * c.k), b = random.bytes(c.k * c.n);
  const auto row_scale = random.floats(c.m), scale = random.floats(c.n), bias = random.floats(c.n);
  const RequantizePlan plan = random_plan(random, c.n, c.k, RequantizeStep::f32);
  const Tensor scratch(DType::u8, {pair_scratch_bytes(c.n, c.k)});
  const auto run = [&](PairKernel kernel) {
    Guarded out(c.m * (c.n + 3), c.out);
    PairArgs args;
    args.m = c.m, args.n = c.n, args.k = c.k;
    args.a = a.data(), args.b = b.data(), args.a_zero = c.a_zero, args.b_zero = c.b_zero;
    args.out = {c.out, out.data(), c.n + 3, plan.view(), {scale.data(), row_scale.data(), 1, bias.data()}};
    args.scratch = const_cast<std::byte*>(scratch.raw());
    kernel(args);
    EXPECT_TRUE(out.margins_intact());
    return out.bytes();
  };
  const std::vector<uint8_t> wanted = run(pair_ref);
  for (const PairRow& row : pair_kernels()) {
    if (!machine_has(row.isa)) continue;
    EXPECT_EQ(run(row.kernel), wanted) << row.name << ": " << c.m << "x" << c.n << "x" << c.k << " " << name_of(c.out);
  }
}

TEST(Pair, KernelsEqualTheReferenceAtEverySize) {
  Random random(seed());
  const auto zero = [&] { return static_cast<int32_t>(random.in(0, 255)); };
  for (int64_t m : {0, 1, 5, 6, 7, 47, 49})
    for (int64_t n : {1, 15, 16, 17, 63, 64, 65, 127})
      for (DType out : {DType::u8, DType::i32, DType::f32}) check({m, n, random.in(1, 70), out, zero(), zero()}, random);
  for (int64_t k : {0, 1, 2, 3, 4, 5, 63, 257}) check({13, 83, k, DType::i32, zero(), zero()}, random);
}

TEST(Pair, ExtremeCodesAndZeroPoints) {
  Random random(seed());
  for (int32_t a_zero : {0, 255})
    for (int32_t b_zero : {0, 128, 255}) check({9, 33, 333, DType::i32, a_zero, b_zero}, random);
}

TEST(Pair, WideCodesGoToTheReference) {
  for (const DType wide : {DType::u16, DType::i16}) {
    EXPECT_STREQ(select_pair({wide, DType::u8, DType::u8, true}).row->name, "pair_ref");
    EXPECT_STREQ(select_pair({DType::u8, wide, DType::u8, true}).row->name, "pair_ref");
  }
  EXPECT_STREQ(select_pair({DType::u8, DType::u8, DType::u8, false}).row->name, "pair_ref");
}

}  // namespace
}  // namespace bitwright
