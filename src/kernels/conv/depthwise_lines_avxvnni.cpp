// AVX-VNNI.
#include "kernels/conv/depthwise_lines_ymm.hpp"

namespace bitwright {
namespace {

struct Vnni : PlainWeights {
  static BW_INLINE __m256i add(__m256i acc, __m256i x, const Weights& w) { return _mm256_dpbusd_avx_epi32(acc, x, w.load()); }
};

}  // namespace

const DepthwiseLineKernel depthwise_lines_u8s8_32_avxvnni{prepare_lines<Vnni>, run_line<Vnni>, copy_line};

}  // namespace bitwright
