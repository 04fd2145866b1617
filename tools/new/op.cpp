// @Name@: y = x, element by element. (Say here what it computes and where ONNX defines it.)
#include <algorithm>
#include <cstring>

#include "ops/op.hpp"

namespace bitwright {
namespace {

void run_@name@(OpContext& c) {
  const Tensor& x = c.input(0);
  if (x.dtype() != DType::f32) c.unsupported(str("element type ", name_of(x.dtype())));
  Tensor& y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  const auto source = x.values<float>();
  std::copy(source.begin(), source.end(), y.values<float>().begin());
}

const Op kOps[] = {
    {.name = "@Name@", .since = 1, .run = run_@name@},  // .quant says how the quantizer treats it; default: stays float
};

}  // namespace

std::span<const Op> ops_@name@();
std::span<const Op> ops_@name@() { return kOps; }

}  // namespace bitwright
