#include "core/rows.hpp"

namespace bitwright {

Tensor counted_rows(const Tensor& tensor, const Counted& counted) {
  const bool by_record = tensor.rank() > 0 && tensor.dim(0) % counted.of == 0 && tensor.dtype() != DType::string;
  if (counted.records == counted.of || !by_record) return tensor;
  Shape shape = tensor.shape();
  shape[0] = shape[0] / counted.of * counted.records;
  return Tensor::view(tensor.dtype(), shape, tensor.raw());
}

}  // namespace bitwright
