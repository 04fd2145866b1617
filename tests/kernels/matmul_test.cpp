#include "kernels/matmul/matmul.hpp"

#include <gtest/gtest.h>

#include "stand_ins.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

struct Case {
  int64_t m, n, k;
  DType out;
  RequantizeStep step;
  bool dynamic, row_zero, small_weights;
};

std::string describe(const Case& c) {
  return str(c.m, "x", c.n, "x", c.k, " ", name_of(c.out), " step ", static_cast<int>(c.step),
             c.dynamic ? " dynamic" : "", c.row_zero ? " row zeros" : "", c.small_weights ? " small weights" : "");
}

// Runs every kernel of the table on one problem, split in two at an odd row, and compares all bytes, margins included.
class Fixture {
 public:
  Fixture(const Case& c, Random& random)
      : case_(c),
        a_(random.bytes(c.m * c.k)),
        b_(random.weights(c.k * c.n, c.small_weights ? 50 : 127)),
        bias_(random.ints(c.n, 1 << 20)),
        row_zero_(random.ints_in(c.m, 0, 255)),
        float_bias_(random.floats(c.n)),
        row_scale_(random.floats(c.m)),
        scale_(random.floats(c.n)),
        plan_(random_plan(random, c.n, c.k, c.step)) {
    SrcCodes src;
    src.zero = c.dynamic || c.row_zero ? 0 : 113;
    src.dynamic = c.dynamic || c.row_zero;
    packed_ = pack_matmul(c.k, c.n, b_.data(), c.n, 1, bias_.data(), src);
  }

  Guarded run(const MatMulRow& row) const {
    Guarded out(case_.m * (case_.n + 3), case_.out);
    MatMulArgs args;
    args.m = case_.m, args.n = case_.n, args.k = case_.k;
    args.a = a_.data(), args.a_stride = case_.k, args.a_zero = 113;
    args.row_zero = case_.row_zero ? row_zero_.data() : nullptr;
    args.b = b_.data(), args.bias = bias_.data(), args.packed = &packed_;
    args.out = {case_.out,
                out.data(),
                case_.n + 3,
                plan_.view(),
                {scale_.data(), row_scale_.data(), case_.row_zero, float_bias_.data()}};
    const int64_t middle = case_.m / 3;
    row.kernel(args, middle, case_.m);
    row.kernel(args, 0, middle);
    return out;
  }

 private:
  Case case_;
  Exact<uint8_t> a_;
  Exact<int8_t> b_;
  Exact<int32_t> bias_, row_zero_;
  Exact<float> float_bias_, row_scale_, scale_;
  RequantizePlan plan_;
  PackedWeights packed_;
};

void check(const Case& c, Random& random) {
  const Fixture fixture(c, random);
  const MatMulRow reference{"matmul_ref", Isa::ref, false, matmul_ref};
  const Guarded wanted = fixture.run(reference);
  EXPECT_TRUE(wanted.margins_intact());
  for (const MatMulRow& row : matmul_rows()) {
    if (!machine_has(row.isa)) continue;
    const Guarded got = fixture.run(row);
    EXPECT_EQ(got.bytes(), wanted.bytes()) << row.name << ": " << describe(c);
    EXPECT_TRUE(got.margins_intact()) << row.name << ": " << describe(c);
  }
}

TEST(MatMul, KernelsEqualTheReferenceAtEverySize) {
  Random random(seed());
  for (int64_t m : {0, 1, 2, 3, 5, 6, 7, 13, 16, 18, 19, 34, 35, 47, 48, 49, 97})
    for (int64_t n : {1, 15, 16, 17, 31, 33, 47, 63, 64, 65, 127})
      check({m, n, random.in(1, m % 2 ? 70 : 300), DType::u8, RequantizeStep::f32, false, false, random.in(0, 1) == 1}, random);
  for (int64_t k : {0, 1, 2, 3, 4, 5, 7, 63, 64, 127, 128, 129, 191, 192, 257, 1151})
    check({13, 83, k, DType::u8, RequantizeStep::f32, false, false, false}, random);
}

TEST(MatMul, KernelsEqualTheReferenceInEveryForm) {
  Random random(seed());
  for (DType out : {DType::u8, DType::i32, DType::f32})
    for (RequantizeStep step : {RequantizeStep::f32, RequantizeStep::f64, RequantizeStep::exact})
      for (int flags = 0; flags < 8; ++flags)
        check({random.in(1, 60), random.in(1, 140), random.in(1, 300), out, step, (flags & 1) != 0, (flags & 2) != 0,
               (flags & 4) != 0},
              random);
}

TEST(MatMul, ExtremeCodesDoNotSaturate) {
  const int64_t m = 7, n = 19, k = 333;
  std::vector<uint8_t> a(static_cast<size_t>(m * k), 255);
  for (int8_t weight : {int8_t{-128}, int8_t{127}}) {
    const std::vector<int8_t> b(static_cast<size_t>(k * n), weight);
    const PackedWeights packed = pack_matmul(k, n, b.data(), n, 1, nullptr, {});
    EXPECT_TRUE(packed.fits_int32);
    for (const MatMulRow& row : matmul_rows()) {
      if (!machine_has(row.isa)) continue;
      std::vector<int32_t> out(static_cast<size_t>(m * n));
      MatMulArgs args;
      args.m = m, args.n = n, args.k = k, args.a = a.data(), args.a_stride = k, args.b = b.data(),
      args.packed = &packed;
      args.out = {DType::i32, out.data(), n, {}, {}};
      row.kernel(args, 0, m);
      EXPECT_EQ(out, std::vector<int32_t>(out.size(), 255 * weight * 333)) << row.name;
    }
  }
}

TEST(MatMul, LongSumsThatLeaveInt32AreRefusedAndAccumulateInInt64) {
  const int64_t k = 70000;
  const std::vector<uint8_t> a(k, 255);
  const std::vector<int8_t> b(k, -128);
  const PackedWeights packed = pack_matmul(k, 1, b.data(), 1, 1, nullptr, {});
  EXPECT_FALSE(packed.fits_int32);
  EXPECT_EQ(packed.reach[0].lo, -255 * 128 * k);
  MatMulProblem problem;
  problem.fits_int32 = packed.fits_int32;
  const MatMulChoice choice = select_matmul(problem);
  EXPECT_STREQ(choice.row->name, "matmul_ref");
  int64_t sum = 0;
  MatMulArgs args;
  args.m = 1, args.n = 1, args.k = k, args.a = a.data(), args.a_stride = k, args.b = b.data(), args.wide = true;
  args.out = {DType::i64, &sum, 1, {}, {}};
  choice.row->kernel(args, 0, 1);
  EXPECT_EQ(sum, -255 * 128 * k);
}

TEST(MatMul, AMillionProductsPerSum) {
  Random random(seed());
  const int64_t m = 2, n = 3, k = 1 << 20;
  const auto a = random.bytes(m * k);
  const auto b = random.weights(k * n, 4);
  const PackedWeights packed = pack_matmul(k, n, b.data(), n, 1, nullptr, {});
  ASSERT_TRUE(packed.fits_int32);
  std::vector<int32_t> wanted(static_cast<size_t>(m * n)), got(wanted.size());
  MatMulArgs args;
  args.m = m, args.n = n, args.k = k, args.a = a.data(), args.a_stride = k, args.b = b.data(), args.packed = &packed;
  args.out = {DType::i32, wanted.data(), n, {}, {}};
  matmul_ref(args, 0, m);
  args.out.data = got.data();
  for (const MatMulRow& row : matmul_rows()) {
    if (!machine_has(row.isa)) continue;
    row.kernel(args, 0, m);
    EXPECT_EQ(got, wanted) << row.name;
  }
}

TEST(MatMul, SelectionSaysWhyEachKernelWasRefused) {
  MatMulProblem problem;
  problem.a_type = DType::u16;
  const MatMulChoice choice = select_matmul(problem, Isa::avx2);
  EXPECT_STREQ(choice.row->name, "matmul_ref");
  for (const Refusal& refusal : choice.refused) {
    if (refusal.kernel == "matmul_u8s8_avx512") {
      EXPECT_EQ(refusal.reason, "above BITWRIGHT_ISA");
    }
    if (refusal.kernel == "matmul_u8s8_avx2" && machine_has(Isa::avx2)) {
      EXPECT_EQ(refusal.reason, "activations are not u8");
    }
  }
  EXPECT_STREQ(select_matmul({}, Isa::ref).row->name, "matmul_ref");
  if (machine_has(Isa::avx2)) {
    EXPECT_STREQ(select_matmul({}, Isa::avx2).row->name, "matmul_u8s8_avx2");
  }
}

TEST(MatMul, WiderCodesAndWeightZeroPoints) {
  const int16_t a[] = {-32768, 32767, 5, 7};
  const uint8_t b[] = {0, 255, 3, 9};  // [2, 2]
  const int32_t b_zero[] = {128, 1}, bias[] = {10, -10};
  int64_t out[4];
  MatMulArgs args;
  args.m = 2, args.n = 2, args.k = 2, args.a = a, args.a_stride = 2, args.a_type = DType::i16, args.a_zero = 2;
  args.b = b, args.b_type = DType::u8, args.b_zero = b_zero, args.bias = bias, args.wide = true;
  args.out = {DType::i64, out, 2, {}, {}};
  matmul_ref(args, 0, 2);
  EXPECT_EQ(out[0], -32770 * -128LL + 32765 * -125LL + 10);
  EXPECT_EQ(out[1], -32770 * 254LL + 32765 * 8LL - 10);
  EXPECT_EQ(out[2], 3 * -128 + 5 * -125 + 10);
  EXPECT_EQ(out[3], 3 * 254 + 5 * 8 - 10);
}

}  // namespace
}  // namespace bitwright
