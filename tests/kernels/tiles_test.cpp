// What an AMX kernel does without AMX: dot_tiles.hpp on emulated tiles, against the references.
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "emulated_tiles.hpp"
#include "kernels/conv/conv.hpp"
#include "kernels/conv/dense.hpp"
#include "kernels/dot/tile_test.hpp"
#include "kernels/matmul/matmul.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

class Tiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!machine_has(Isa::avx512)) GTEST_SKIP() << "the kernel's vector parts need AVX-512";
  }
};

struct Case {
  int64_t m, n, k;
  DType out = DType::u8;
  RequantizeStep step = RequantizeStep::f32;
  bool row_zero = false;
};

/// The product of `c` by `dot`, or by the reference when null.
Guarded product(const Case& c, uint64_t seed, DotKernel dot) {
  Random random(seed);
  const int64_t stride = c.k + 3 * (c.m % 2);
  const auto a = random.bytes(c.m * stride);
  const auto b = random.weights(c.k * c.n, 127);
  const auto bias = random.ints(c.n, 1 << 20), row_zero = random.ints_in(c.m, 0, 255);
  const auto scale = random.floats(c.n), row_scale = random.floats(c.m);
  const RequantizePlan plan = random_plan(random, c.n, c.k, c.step);
  SrcCodes src;
  src.zero = c.row_zero ? 0 : 113, src.dynamic = c.row_zero;
  const PackedWeights packed = pack_matmul(c.k, c.n, b.data(), c.n, 1, bias.data(), src);
  Guarded out(c.m * (c.n + 3), c.out);
  MatMulArgs args;
  args.m = c.m, args.n = c.n, args.k = c.k, args.a = a.data(), args.a_stride = stride, args.a_zero = 113;
  args.row_zero = c.row_zero ? row_zero.data() : nullptr;
  args.b = b.data(), args.bias = bias.data(), args.packed = &packed;
  args.out = {c.out, out.data(), c.n + 3, plan.view(), {scale.data(), row_scale.data(), 1, nullptr}};
  if (dot)
    matmul_packed(args, dot, 0, c.m);
  else
    matmul_ref(args, 0, c.m);
  return out;
}

void check(const Case& c, uint64_t seed) {
  const int64_t before = emulated_products();
  const Guarded got = product(c, seed, dot_on_emulated_tiles());
  EXPECT_EQ(emulated_products() > before, c.m > 2 && c.k >= 128) << c.m << "x" << c.n << "x" << c.k;
  EXPECT_EQ(got.bytes(), product(c, seed, nullptr).bytes()) << c.m << "x" << c.n << "x" << c.k << " seed " << seed;
  EXPECT_TRUE(got.margins_intact());
}

TEST_F(Tiles, MatMulEqualsTheReferenceAtEverySize) {
  const uint64_t first = seed();
  for (int64_t m : {1, 2, 3, 15, 16, 17, 18, 19, 31, 32, 33, 34, 35, 47, 48, 49, 96})
    for (int64_t n : {1, 16, 17, 32, 33, 48, 49, 63, 64, 65, 120})
      check({m, n, Random(first + static_cast<uint64_t>(m * n)).in(128, 400)}, first + static_cast<uint64_t>(m + n));
  for (int64_t k : {1, 31, 32, 127, 128, 129, 130, 131, 191, 192, 193, 255, 256, 1151})
    check({48, 83, k}, first + static_cast<uint64_t>(k));
}

TEST_F(Tiles, MatMulEqualsTheReferenceInEveryForm) {
  const uint64_t first = seed();
  for (DType out : {DType::u8, DType::i32, DType::f32})
    for (RequantizeStep step : {RequantizeStep::f32, RequantizeStep::f64, RequantizeStep::exact})
      for (bool row_zero : {false, true}) check({45, 119, 200, out, step, row_zero}, first);
}

/// Convolutions whose rows lie a constant step apart, or change lines, or touch the padding.
TEST_F(Tiles, ConvEqualsTheReference) {
  Random random(seed());
  const int64_t before = emulated_products();
  for (int i = 0; i < 40; ++i) {
    ConvShape s;
    s.n = random.in(1, 2), s.h = random.in(3, 20), s.w = random.in(3, 20);
    s.c = random.in(8, 90), s.oc = random.in(1, 150), s.kh = s.kw = random.in(0, 1) ? 3 : 1;
    s.stride_h = s.stride_w = random.in(1, 2), s.pad_top = s.pad_left = s.kh / 2;
    s.oh = (s.h + 2 * s.pad_top - s.kh) / s.stride_h + 1, s.ow = (s.w + 2 * s.pad_left - s.kw) / s.stride_w + 1;
    const int64_t taps = s.kh * s.kw * s.c;
    const auto src = random.bytes(s.n * s.h * s.w * s.c);
    const auto weights = random.weights(s.oc * taps, 127);
    const RequantizePlan plan = random_plan(random, s.oc, taps, RequantizeStep::f32);
    SrcCodes codes;
    codes.zero = 77;
    const PackedWeights packed = pack_conv(s, weights.data(), nullptr, codes);
    Exact<uint8_t> scratch((conv_scratch_bytes(s) + 63) / 64 * 64);
    Guarded got(s.rows() * s.oc, DType::u8), wanted(s.rows() * s.oc, DType::u8);
    ConvArgs args;
    args.shape = s, args.src = src.data(), args.src_zero = 77, args.weights = weights.data(), args.packed = &packed;
    args.scratch = scratch.data();
    args.out = {DType::u8, got.data(), s.oc, plan.view(), {}};
    conv_dense(args, dot_on_emulated_tiles(), 0, s.rows());
    args.out.data = wanted.data();
    conv_ref(args, 0, s.rows());
    EXPECT_EQ(got.bytes(), wanted.bytes()) << i;
  }
  EXPECT_GT(emulated_products() - before, 1000);
}

TEST_F(Tiles, TilesThatMultiplyWronglyOrFaultAreNoticedInEveryThread) {
  const auto use = [](DotKernel dot) {
    const Case c{48, 64, 256};
    const int64_t before = emulated_products();
    EXPECT_EQ(product(c, 7, dot).bytes(), product(c, 7, nullptr).bytes());
    const int64_t tried = emulated_products();
    EXPECT_EQ(product(c, 8, dot).bytes(), product(c, 8, nullptr).bytes());
    EXPECT_EQ(emulated_products(), tried);  // not again in this thread
    return tried - before;
  };
  testing::internal::CaptureStderr();
  for (int worker = 0; worker < 2; ++worker)
    std::thread([&] {
      EXPECT_GT(use(dot_on_wrong_tiles()), 0);
      EXPECT_EQ(use(dot_on_missing_tiles()), 0);
    }).join();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "bitwright: the processor announces AMX, but its tiles multiply wrongly; AVX-512 is used instead\n");
}

#if defined(__x86_64__)
TEST(TileTest, ReturnsWhatTheProductSaysAndSurvivesAnIllegalInstruction) {
  struct sigaction before {}, after {};
  ASSERT_EQ(sigaction(SIGILL, nullptr, &before), 0);
  EXPECT_TRUE(tiles_pass([]() noexcept { return true; }));
  EXPECT_FALSE(tiles_pass([]() noexcept { return false; }));
  EXPECT_FALSE(tiles_pass([]() noexcept {
    __asm__ volatile("ud2");
    return true;
  }));
  ASSERT_EQ(sigaction(SIGILL, nullptr, &after), 0);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}
#endif

}  // namespace
}  // namespace bitwright
