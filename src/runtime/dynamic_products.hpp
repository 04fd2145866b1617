// Products of one input that becomes codes at run time (queries, keys and values; one product is the usual case) as one step:
// the input is quantized once, in the pieces that read it, and what follows each product is done while its result is in the
// cache: bias, activation, the sum with a residual, layer normalization, the range that the next such step asks for.
#pragma once

#include "kernels/elementwise/select.hpp"
#include "kernels/rows/rows.hpp"
#include "runtime/weights.hpp"

namespace bitwright {

/// What all plans share.
struct DynamicWeights {
  MatMulWeights weights;
  std::vector<float> scale, bias;  // with 64 to spare
  void keep_in(KeptMemory& memory) {
    weights.keep_in(memory);
    weights.forget_reach();
  }
};

struct DynamicProduct {
  std::shared_ptr<const DynamicWeights> weights;
  BufferId out = kNoBuffer;
  BufferId range = kNoBuffer;         // of the result
  RowsKernel activation = nullptr;    // after scale and bias, element by element
  RowsKernel rows = nullptr;          // then add or layer_norm, row by row
  BufferId residual = kNoBuffer, norm_scale = kNoBuffer, norm_bias = kNoBuffer;
  float epsilon = 0;
};

class DynamicProductsStep : public Step {
 public:
  int64_t m = 0, k = 0;
  bool per_row = false;
  BufferId src = kNoBuffer, src_range = kNoBuffer;  // no range: it is looked for first
  BufferId codes = kNoBuffer, scale = kNoBuffer, zero = kNoBuffer;
  std::vector<DynamicProduct> products;
  ElementwiseKernel<RangeArgs> range = nullptr;
  ElementwiseKernel<QuantizeArgs> quantize = nullptr;

  void run(StepContext& context) const override;

 private:
  void set_tensor_grid(StepContext& context) const;
  void quantize_rows(StepContext& context, int64_t row0, int64_t row1) const;
  void multiply(StepContext& context, const DynamicProduct& product, int64_t panel, int64_t row0, int64_t row1) const;
  void finish_rows(StepContext& context, const DynamicProduct& product, int64_t row0, int64_t row1) const;
};

/// Panels of columns that a product is cut into.
int64_t panels_of(const DynamicProduct& product);

}  // namespace bitwright
