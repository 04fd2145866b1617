// AVX-VNNI: vpdpbusd on 256-bit registers, on processors without AVX-512.
#include "kernels/dot/dot_ymm.hpp"

namespace bitwright {
namespace {

struct Vnni {
  static BW_INLINE __m256i load(const int8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static BW_INLINE __m256i broadcast(uint32_t word) { return _mm256_set1_epi32(static_cast<int32_t>(word)); }
  static BW_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

}  // namespace

void dot_u8s8_4x16_avxvnni(const DotArgs& d) noexcept { panel<Vnni>(d); }

}  // namespace bitwright
