// AVX-VNNI: vpdpbusd on 256-bit registers, on processors without AVX-512. 12 sums in flight hide its latency of 4 to 5 cycles,
// 2 a cycle; with 2 vectors of weights and a row's broadcast they fill 15 of 16 registers.
#include "kernels/dot/dot_ymm.hpp"
#include "kernels/dot/step_ymm.hpp"

namespace bitwright {
namespace {

struct Vnni : Bytes {
  static BW_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

}  // namespace

void dot_u8s8_6x16_avxvnni(const DotArgs& d) noexcept { panel<Vnni, 6>(d); }

}  // namespace bitwright
