#include "stand_in_kernels.hpp"

#if defined(__x86_64__)
#include "kernels/conv/depthwise_lines_ymm.hpp"
#include "kernels/dot/dot_ymm.hpp"
#include "kernels/dot/step_ymm.hpp"

namespace bitwright {
namespace {

struct Vnni : Bytes {
  static BW_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_epi32(acc, x, w); }
};

struct VnniLines : PlainWeights {
  static BW_INLINE __m256i add(__m256i acc, __m256i x, const Weights& w) { return _mm256_dpbusd_epi32(acc, x, w.load()); }
};

}  // namespace

const DepthwiseLineKernel lines_like_avxvnni{prepare_lines<VnniLines>, run_line<VnniLines>, copy_line};

void dot_like_avxvnni(const DotArgs& d) noexcept { panel<Vnni, 6>(d); }

}  // namespace bitwright
#endif
