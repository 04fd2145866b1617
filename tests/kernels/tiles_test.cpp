// What the AMX kernel does about its tiles; its results are compared beside all others (stand_ins.hpp).
#include <gtest/gtest.h>

#if defined(__x86_64__)
#include <csignal>
#include <thread>

#include "kernels/tile_test.hpp"
#include "stand_ins.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

/// A product of m x 70 x k by `dot`, compared with the reference: how many products of tiles it took.
int64_t tile_products(int64_t m, int64_t k, DotKernel dot) {
  const int64_t n = 70;
  Random random(7);
  const auto a = random.bytes(m * k);
  const auto b = random.weights(k * n, 127);
  const PackedWeights packed = pack_matmul(k, n, b.data(), n, 1, nullptr, {});
  std::vector<int32_t> got(static_cast<size_t>(m * n)), wanted(got.size());
  MatMulArgs args;
  args.m = m, args.n = n, args.k = k, args.a = a.data(), args.a_stride = k, args.b = b.data(), args.packed = &packed;
  args.out = {DType::i32, wanted.data(), n, {}, {}};
  matmul_ref(args, 0, m);
  args.out.data = got.data();
  const int64_t before = emulated_products();
  matmul_packed(args, dot, 0, m);
  EXPECT_EQ(got, wanted);
  return emulated_products() - before;
}

class Tiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!machine_has(Isa::avx512)) GTEST_SKIP() << "the kernel's vector parts need AVX-512";
  }
};

TEST_F(Tiles, AreUsedWhereTheyArePaidFor) {
  tile_products(48, 256, dot_on_emulated_tiles);  // this thread's test
  // Columns in 5 tiles, rows in 3, K in 4.
  EXPECT_EQ(tile_products(48, 256, dot_on_emulated_tiles), 5 * 3 * 4);
  EXPECT_EQ(tile_products(48, 193, dot_on_emulated_tiles), 5 * 3 * 4);
  EXPECT_EQ(tile_products(50, 256, dot_on_emulated_tiles), 5 * 3 * 4);
  EXPECT_EQ(tile_products(51, 256, dot_on_emulated_tiles), 5 * 4 * 4);
  EXPECT_EQ(tile_products(2, 256, dot_on_emulated_tiles), 0);
  EXPECT_EQ(tile_products(48, 127, dot_on_emulated_tiles), 0);
}

TEST_F(Tiles, ThatMultiplyWronglyOrFaultAreNoticedInEveryThread) {
  testing::internal::CaptureStderr();
  for (int worker = 0; worker < 2; ++worker)
    std::thread([&] {
      EXPECT_GT(tile_products(48, 256, dot_on_wrong_tiles), 0);
      EXPECT_EQ(tile_products(48, 256, dot_on_wrong_tiles), 0);
      EXPECT_EQ(tile_products(48, 256, dot_on_missing_tiles), 0);
    }).join();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "bitwright: the processor announces AMX, but its tiles multiply wrongly; AVX-512 is used instead\n");
}

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

}  // namespace
}  // namespace bitwright
#endif
