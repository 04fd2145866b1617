// The table of the elementwise kernels and the choice from it.
#pragma once

#include <vector>

#include "kernels/elementwise/elementwise.hpp"
#include "kernels/select.hpp"

namespace bitwright {

template <class Args>
struct ElementwiseRow {
  const char* name;
  Isa isa;
  bool any_type;  // else u8 only
  ElementwiseKernel<Args> kernel;
};

/// Rows of kernels.inc by op, best first; the last of each is the reference.
struct ElementwiseTable {
  std::vector<ElementwiseRow<LookupArgs>> lookup;
  std::vector<ElementwiseRow<BinaryArgs>> add, mul, add_float, mul_float;  // add and mul take u8 only
  std::vector<ElementwiseRow<RowMulArgs>> row_mul;  // rows [begin, end) of the matrix
  std::vector<ElementwiseRow<QuantizeArgs>> quantize;
  std::vector<ElementwiseRow<DequantizeArgs>> dequantize;
  std::vector<ElementwiseRow<RangeArgs>> range;
  std::vector<ElementwiseRow<PoolArgs>> max_pool, average_pool;
};
const ElementwiseTable& elementwise_kernels();

template <class Args>
struct ElementwiseChoice {
  const ElementwiseRow<Args>* row = nullptr;  // null only for add, mul of other codes than u8
  std::vector<Refusal> refused;
};

/// select_elementwise(elementwise_kernels().add, all_u8): the first row that may run. all_u8: every tensor of codes is
/// u8.
template <class Args>
ElementwiseChoice<Args> select_elementwise(const std::vector<ElementwiseRow<Args>>& rows, bool all_u8,
                                           Isa cap = isa_cap()) {
  ElementwiseChoice<Args> choice;
  choice.row = select_row(rows, choice.refused, [&](const ElementwiseRow<Args>& row) {
    const char* why = isa_refuses(row.isa, cap);
    return why == nullptr && !row.any_type && !all_u8 ? "codes are not u8" : why;
  });
  return choice;
}

}  // namespace bitwright
