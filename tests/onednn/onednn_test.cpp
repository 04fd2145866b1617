// oneDNN is what the float operators stand on, so its build, its linking and its cap on instruction sets are tested alone.
#include <gtest/gtest.h>

#ifdef BITWRIGHT_WITH_ONEDNN

#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

namespace {

using dnnl::memory;

memory::desc nchw(const memory::dims& dims) {
  return {dims, memory::data_type::f32, memory::format_tag::nchw};
}

// AMX is never used for float: dnnl caps at AVX512_CORE_BF16 and must accept the cap before its first primitive.
TEST(Onednn, AcceptsTheInstructionSetCap) {
  ASSERT_EQ(dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16), dnnl::status::success);
  EXPECT_LE(static_cast<int>(dnnl::get_effective_cpu_isa()), static_cast<int>(dnnl::cpu_isa::avx512_core_bf16));
}

TEST(Onednn, ThreeByThreeConvolutionEqualsTheSumByHand) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  std::vector<float> x(2 * 5 * 5), w(3 * 2 * 3 * 3), y(3 * 5 * 5);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
  for (size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(static_cast<int>(i * 5 % 13) - 6);
  const auto xd = nchw({1, 2, 5, 5}), yd = nchw({1, 3, 5, 5});
  const memory::desc wd({3, 2, 3, 3}, memory::data_type::f32, memory::format_tag::oihw);
  const dnnl::convolution_forward::primitive_desc conv(engine, dnnl::prop_kind::forward_inference,
                                                       dnnl::algorithm::convolution_direct, xd, wd, yd, {1, 1}, {1, 1},
                                                       {1, 1});
  dnnl::convolution_forward(conv).execute(stream, {{DNNL_ARG_SRC, memory(xd, engine, x.data())},
                                                   {DNNL_ARG_WEIGHTS, memory(wd, engine, w.data())},
                                                   {DNNL_ARG_DST, memory(yd, engine, y.data())}});
  stream.wait();
  for (int o = 0; o < 3; ++o)
    for (int r = 0; r < 5; ++r)
      for (int c = 0; c < 5; ++c) {
        float sum = 0;
        for (int i = 0; i < 2; ++i)
          for (int kr = 0; kr < 3; ++kr)
            for (int kc = 0; kc < 3; ++kc) {
              const int xr = r + kr - 1, xc = c + kc - 1;
              if (xr < 0 || xr > 4 || xc < 0 || xc > 4) continue;
              sum += x[static_cast<size_t>((i * 5 + xr) * 5 + xc)] * w[static_cast<size_t>(((o * 2 + i) * 3 + kr) * 3 + kc)];
            }
        ASSERT_EQ(y[static_cast<size_t>((o * 5 + r) * 5 + c)], sum) << "channel " << o << " row " << r << " col " << c;
      }
}

}  // namespace

#else

TEST(Onednn, IsBuiltIn) { GTEST_SKIP() << "built without oneDNN (BITWRIGHT_ONEDNN=OFF or wheels absent)"; }

#endif
