#include "kernels/matmul/pair.hpp"

namespace bitwright {
namespace {

// Columns go in blocks so that b is read along its rows.
constexpr int64_t kBlock = 64;

template <class Acc, class A, class B>
void run(const PairArgs& args) {
  const Acc za = args.a_zero, zb = args.b_zero;
  for (int64_t row = 0; row < args.m; ++row) {
    const A* a = static_cast<const A*>(args.a) + row * args.k;
    for (int64_t n0 = 0; n0 < args.n; n0 += kBlock) {
      const int64_t count = args.n - n0 < kBlock ? args.n - n0 : kBlock;
      Acc acc[kBlock] = {};
      for (int64_t k = 0; k < args.k; ++k) {
        const B* b = static_cast<const B*>(args.b) + k * args.n + n0;
        const Acc x = a[k] - za;
        for (int64_t j = 0; j < count; ++j) acc[j] += x * (b[j] - zb);
      }
      for (int64_t j = 0; j < count; ++j) store(args.out, row, n0 + j, acc[j]);
    }
  }
}

template <class A, class B>
void run_width(const PairArgs& args) {
  args.wide ? run<int64_t, A, B>(args) : run<int32_t, A, B>(args);
}

template <class A>
void run_b(const PairArgs& args) {
  if (args.b_type == DType::u8)
    run_width<A, uint8_t>(args);
  else if (args.b_type == DType::u16)
    run_width<A, uint16_t>(args);
  else
    run_width<A, int16_t>(args);
}

}  // namespace

void pair_ref(const PairArgs& args) noexcept {
  if (args.a_type == DType::u8)
    run_b<uint8_t>(args);
  else if (args.a_type == DType::u16)
    run_b<uint16_t>(args);
  else
    run_b<int16_t>(args);
}

}  // namespace bitwright
