#include "kernels/chain/chain.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support.hpp"

namespace bitwright {
namespace {

#if defined(__x86_64__)
TEST(Chain, VectorsEqualTheReference) {
  if (!machine_has(Isa::avx2)) GTEST_SKIP() << "no AVX2 with FMA";
  Random random(seed());
  for (const int64_t m : {1, 3, 4, 5, 9})
    for (const int64_t n : {1, 7, 8, 9, 15, 16, 17, 40})
      for (const int64_t k : {1, 2, 63, 64, 65, 200}) {
        const auto a = random.floats(m * k), b = random.floats(k * (n + 3)), bias = random.floats(m);
        std::vector<float> wanted(static_cast<size_t>(m * (n + 2)), -7), got = wanted;
        ChainArgs args{.m = m, .n = n, .k = k, .block = 64, .b_stride = n + 3, .dst_stride = n + 2};
        args.a = a.data(), args.b = b.data(), args.bias = (m + n + k) % 2 ? bias.data() : nullptr;
        args.dst = wanted.data();
        chain_ref(args);
        args.dst = got.data();
        chain_avx2(args);
        EXPECT_EQ(got, wanted) << m << " x " << n << " x " << k;  // what lies between the rows is left alone, too
      }
}
#endif

TEST(Chain, EachBlockIsOneChainOfFusedMultiplyAdds) {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24 needs 25 bits: rounded to 24 it loses the last.
  const float x = 1 + 0x1p-12f, a[] = {-(1 + 0x1p-11f), x}, b[] = {1, x}, bias[] = {1};
  float y = 0;
  ChainArgs args{.m = 1, .n = 1, .k = 2, .block = 2, .a = a, .b = b, .b_stride = 1, .dst = &y, .dst_stride = 1};
  chain_ref(args);
  EXPECT_EQ(y, 0x1p-24f);
  args.block = 1;  // the product is rounded before it is added
  chain_ref(args);
  EXPECT_EQ(y, 0.0f);
  args.k = 0, args.bias = bias;
  chain_ref(args);
  EXPECT_EQ(y, 1.0f);
}

TEST(Chain, BlocksOfOnnxRuntime) {
  EXPECT_EQ(onnxruntime_block(3136, 96), 128);
  EXPECT_EQ(onnxruntime_block(3136, 24), 32);
  EXPECT_EQ(onnxruntime_block(196, 384), 128);
  EXPECT_EQ(onnxruntime_block(49, 960), 256);
  EXPECT_EQ(onnxruntime_block(1, 2048), 1024);
}

}  // namespace
}  // namespace bitwright
