#include "kernels/bins/bins.hpp"

namespace bitwright {

const BinsRow& select_bins(Isa cap) {
  static constexpr BinsRow kRows[] = {
#if defined(__x86_64__)
      {Isa::avx512, "bins_avx512", scan_avx512, bins_avx512},
      {Isa::avx2, "bins_avx2", scan_avx2, bins_avx2},
#endif
      {Isa::ref, "bins_ref", scan_ref, bins_ref},
  };
  const BinsRow* row = kRows;
  while (isa_refuses(row->isa, cap) != nullptr) ++row;
  return *row;
}

}  // namespace bitwright
