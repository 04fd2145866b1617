// Most float operators are written once, in f32. These two helpers bring f16, bf16 and f64 operands to f32 and round the
// result back once, so that the operator's own loop does not know about them.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// The float type of input i; Error{malformed} naming the node when it is not f16, bf16, f32 or f64.
DType real_type(const OpContext& c, size_t i);

/// Output i of type `type`, written as f32: fill data(), then call finish().
class RealOutput {
 public:
  RealOutput(OpContext& c, size_t i, DType type, Shape shape);
  float* data() { return work_.values<float>().data(); }
  const Shape& shape() const { return result_.shape(); }
  int64_t elements() const { return result_.elements(); }
  void finish();

 private:
  Tensor result_;  // shares the memory of the context's output
  Tensor work_;    // the same tensor when it is f32
};

/// to_f32 of input i with contents, and its values.
struct RealInput {
  RealInput(const OpContext& c, size_t i) : tensor(to_f32(c.data(i))), data(tensor.values<float>().data()) {}
  Tensor tensor;
  const float* data;
};

/// Scalar float input i, or `fallback` if it is left out.
float real_scalar(const OpContext& c, size_t i, float fallback);

}  // namespace bitwright
