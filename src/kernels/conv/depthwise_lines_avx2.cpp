// AVX2: weights are widened once per panel, codes at each use (step_avx2.hpp).
#include "kernels/conv/depthwise_lines_ymm.hpp"
#include "kernels/dot/step_avx2.hpp"

namespace bitwright {
namespace {

struct Widening {
  struct Weights {
    alignas(32) int16_t even[16], odd[16];
  };
  static void set(Weights& to, int32_t lane, const int8_t* from) {
    for (int i = 0; i < 8; ++i) {
      to.even[8 * lane + i] = from[2 * i];
      to.odd[8 * lane + i] = from[2 * i + 1];
    }
  }
  static constexpr int kPixels = 1;
  static BW_INLINE Halves codes(__m256i x) { return unsigned_halves(x); }
  static BW_INLINE __m256i add(__m256i acc, const Halves& x, const Weights& w) {
    return Widened::add(acc, x, {_mm256_load_si256(reinterpret_cast<const __m256i*>(w.even)),
                                 _mm256_load_si256(reinterpret_cast<const __m256i*>(w.odd))});
  }
};

}  // namespace

const DepthwiseLineKernel depthwise_lines_u8s8_32_avx2{prepare_lines<Widening>, run_line<Widening>, copy_line};

}  // namespace bitwright
