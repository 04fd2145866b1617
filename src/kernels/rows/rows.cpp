#include "kernels/rows/rows.hpp"

#include <algorithm>

namespace bitwright {

const std::vector<RowsRow>& rows_kernels() {
  static const std::vector<RowsRow> rows = {
#define BW_ROWS(function, isa) {RowsFunction::function, Isa::isa, #function "_f32_" #isa, function##_f32_##isa},
#include "kernels/rows/kernels.inc"
#undef BW_ROWS
  };
  return rows;
}

const RowsRow& select_rows(RowsFunction function, Isa cap) {
  return *std::find_if(rows_kernels().begin(), rows_kernels().end(),
                       [&](const RowsRow& row) { return row.function == function && !isa_refuses(row.isa, cap); });
}

}  // namespace bitwright
