#include <cmath>

#include "kernels/elementwise/elementwise.hpp"

namespace bitwright {

void set_row_mul(const BinaryArgs& mul, const uint8_t* row, int64_t columns, float* factor, float* shift) noexcept {
  for (int64_t c = 0; c < columns; ++c) {
    const int32_t b = row[c] - mul.qb.zero;
    factor[c] = static_cast<float>(b);
    shift[c] = static_cast<float>(-mul.qa.zero * b);
  }
}

void row_mul_u8_ref(const RowMulArgs& args, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin * args.columns; i < end * args.columns; ++i) {
    const int64_t c = i % args.columns;
    const float product = static_cast<float>(args.src[i]) * args.factor[c] + args.shift[c];  // whole numbers: exact
    const float v = product * args.k + args.zero;
    const float clamped = v < args.lo ? args.lo : v > args.hi ? args.hi : v;
    args.dst[i] = static_cast<uint8_t>(std::lrint(clamped));
  }
}

}  // namespace bitwright
