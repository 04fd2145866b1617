#include "kernels/matmul/matmul.hpp"

namespace bitwright {
namespace {

// Columns go in blocks so that b is read along its rows.
constexpr int64_t kBlock = 64;

template <class Acc, class A, class B>
void run_block(const MatMulArgs& args, int64_t row, int64_t n0, int64_t count) {
  const Acc za = args.row_zero ? args.row_zero[row] : args.a_zero;
  const A* a = static_cast<const A*>(args.a) + row * args.a_stride;
  const B* b = static_cast<const B*>(args.b) + n0;
  Acc acc[kBlock], zb[kBlock];
  for (int64_t j = 0; j < count; ++j) {
    acc[j] = args.bias ? args.bias[n0 + j] : 0;
    zb[j] = args.b_zero ? args.b_zero[n0 + j] : 0;
  }
  for (int64_t k = 0; k < args.k; ++k) {
    const Acc x = a[k] - za;
    for (int64_t j = 0; j < count; ++j) acc[j] += x * (b[k * args.n + j] - zb[j]);
  }
  for (int64_t j = 0; j < count; ++j) store(args.out, row, n0 + j, acc[j]);
}

template <class Acc, class A, class B>
void run_rows(const MatMulArgs& args, int64_t row0, int64_t row1) {
  for (int64_t row = row0; row < row1; ++row)
    for (int64_t n0 = 0; n0 < args.n; n0 += kBlock)
      run_block<Acc, A, B>(args, row, n0, args.n - n0 < kBlock ? args.n - n0 : kBlock);
}

template <class A, class B>
void run_width(const MatMulArgs& args, int64_t row0, int64_t row1) {
  if (args.wide)
    run_rows<int64_t, A, B>(args, row0, row1);
  else
    run_rows<int32_t, A, B>(args, row0, row1);
}

template <class A>
void run_b(const MatMulArgs& args, int64_t row0, int64_t row1) {
  if (args.b_type == DType::i8)
    run_width<A, int8_t>(args, row0, row1);
  else if (args.b_type == DType::u8)
    run_width<A, uint8_t>(args, row0, row1);
  else
    run_width<A, int16_t>(args, row0, row1);
}

}  // namespace

void matmul_ref(const MatMulArgs& args, int64_t row0, int64_t row1) noexcept {
  if (args.a_type == DType::u8)
    run_b<uint8_t>(args, row0, row1);
  else if (args.a_type == DType::i8)
    run_b<int8_t>(args, row0, row1);
  else if (args.a_type == DType::u16)
    run_b<uint16_t>(args, row0, row1);
  else
    run_b<int16_t>(args, row0, row1);
}

}  // namespace bitwright
