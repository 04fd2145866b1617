#include "kernels/chain/chain.hpp"

#include <cmath>

namespace bitwright {

const ChainRow& select_chain(Isa cap) {
#if defined(__x86_64__)
  static constexpr ChainRow kVector{Isa::avx2, "chain_avx2", chain_avx2};
  if (isa_refuses(Isa::avx2, cap) == nullptr) return kVector;
#else
  (void)cap;
#endif
  static constexpr ChainRow kReference{Isa::ref, "chain_ref", chain_ref};
  return kReference;
}

int64_t onnxruntime_block(int64_t columns, int64_t k) noexcept {
  int64_t width = 128, block = 128;
  if (columns >= k) {
    while (block / 2 >= k && block > 1) block /= 2;
  } else {
    while (width > 16 && width / 2 >= columns) width /= 2, block *= 2;
  }
  return block;
}

void chain_ref(const ChainArgs& args) noexcept {
  for (int64_t i = 0; i < args.m; ++i)
    for (int64_t j = 0; j < args.n; ++j) {
      float sum = 0;
      for (int64_t k0 = 0; k0 < args.k; k0 += args.block) {
        float chain = 0;
        for (int64_t k = k0; k < k0 + args.block && k < args.k; ++k)
          chain = std::fma(args.a[i * args.k + k], args.b[k * args.b_stride + j], chain);
        sum = k0 == 0 ? chain : sum + chain;
      }
      args.dst[i * args.dst_stride + j] = args.bias ? sum + args.bias[i] : sum;
    }
}

}  // namespace bitwright
