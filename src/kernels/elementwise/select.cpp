#include "kernels/elementwise/select.hpp"

namespace bitwright {
namespace {

ElementwiseTable make_table() {
  ElementwiseTable table;
#define BW_ELEMENTWISE(op, Args, isa, name, any_type) table.op.push_back({#name, Isa::isa, any_type, name});
#include "kernels/elementwise/kernels.inc"
#undef BW_ELEMENTWISE
  return table;
}

}  // namespace

const ElementwiseTable& elementwise_kernels() {
  static const ElementwiseTable table = make_table();
  return table;
}

}  // namespace bitwright
