// Flatten: a matrix of the extents before and after an axis.
#include "ops/op.hpp"

namespace bitwright {
namespace {

void run_flatten(OpContext& c) {
  const Tensor& x = c.input(0);
  int64_t axis = c.node().attr_int("axis", 1);
  if (axis < -x.rank() || axis > x.rank()) c.malformed(str("axis ", axis, " is outside a tensor of rank ", x.rank()));
  if (axis < 0) axis += x.rank();
  Shape shape = {1, 1};
  for (int64_t d = 0; d < x.rank(); ++d) shape[d < axis ? 0 : 1] *= x.dim(d);
  if (c.shape_only()) {
    c.output(0, x.dtype(), shape);
  } else {
    c.forward(0, x.reshaped(shape));
  }
}

const Op kOps[] = {{.name = "Flatten", .run = run_flatten, .quant = {.kind = QuantRule::Kind::shared}}};

}  // namespace

std::span<const Op> ops_flatten() { return kOps; }

}  // namespace bitwright
