#include "kernels/rows/codes.hpp"

#include <algorithm>

namespace bitwright {

const std::vector<RmsCodesRow>& rms_codes_kernels() {
  static const std::vector<RmsCodesRow> rows = {
#define BW_RMS_CODES(isa) {Isa::isa, "rms_norm_u8_" #isa, rms_norm_u8_##isa},
#include "kernels/rows/codes.inc"
#undef BW_RMS_CODES
  };
  return rows;
}

const RmsCodesRow& select_rms_codes(Isa cap) {
  return *std::find_if(rms_codes_kernels().begin(), rms_codes_kernels().end(),
                       [&](const RmsCodesRow& row) { return !isa_refuses(row.isa, cap); });
}

}  // namespace bitwright
