// The tile of dot_ymm.hpp with the two multiply-adds of step_avx2.hpp.
#include "kernels/dot/dot_ymm.hpp"
#include "kernels/dot/step_avx2.hpp"

namespace bitwright {

void dot_u8s8_4x16_avx2(const DotArgs& d) noexcept {
  if (d.pairs_fit)
    panel<PairsFit, 4>(d);
  else
    panel<Widened, 4>(d);
}

}  // namespace bitwright
