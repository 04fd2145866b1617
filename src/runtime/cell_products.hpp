// Recurrent cells whose weights are codes: the products of input and hidden state by them.
#pragma once

#include "kernels/elementwise/select.hpp"
#include "ops/recurrent.hpp"
#include "runtime/lowering.hpp"
#include "runtime/weights.hpp"

namespace bitwright {

/// Rows of activations as codes, and what they mean: one scale and zero point for all, or one per row.
struct RowCodes {
  const uint8_t* codes;
  const float* scale;
  const int32_t* zero;
  bool per_row;
};

/// Part of a weight matrix, [k, n], with a scale per column.
struct CellProduct {
  MatMulWeights weights;
  std::vector<float> scale;  // with 64 to spare

  /// y[rows, n] = x[rows, k] * weights (+ bias[n]).
  MatMulArgs args(const RowCodes& x, int64_t rows, float* y, const float* bias = nullptr) const;
};

class DynamicProducts : public CellProducts {
 public:
  int64_t inputs = 0, hidden = 0, parts = 1;
  bool per_row = false;
  std::vector<CellProduct> input_products;      // per direction
  std::vector<CellProduct> recurrent_products;  // per direction and part: the gates that a step computes together
  ElementwiseKernel<RangeArgs> range = nullptr;
  ElementwiseKernel<QuantizeArgs> quantize = nullptr;

  void input(int64_t direction, const float* x, int64_t rows, float* y) const override;
  void recurrent(int64_t direction, int64_t first, int64_t count, const float* h, float* y) const override;
  void keep_in(KeptMemory& memory);
  /// A range for each of `rows` rows of x.
  void to_codes(const float* x, int64_t rows, int64_t length, uint8_t* codes, float* scale, int32_t* zero) const;
};

/// Codes [directions, columns, k] and their scale for (direction, column).
struct CellCodes {
  Tensor codes;
  const Grid* grid = nullptr;

  float scale(int64_t direction, int64_t column) const;
};
/// Why the weights at an input are none; empty: `read` has them.
std::string read_cell_codes(const Lowering& lowering, const Node& node, size_t input, CellCodes& read);

/// The products of a node with these weights, made once for all plans.
std::shared_ptr<const DynamicProducts> cell_products(Lowering& lowering, const Node& node, const CellCodes& w, const CellCodes& r,
                                                     bool per_row);

}  // namespace bitwright
