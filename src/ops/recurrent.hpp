// What RNN, GRU and LSTM share: geometry, layouts, activations, the walk through time. A cell differs only in what one
// step does with its gates.
#pragma once

#include <optional>

#include "ops/real.hpp"

namespace bitwright {

/// An activation of a recurrent cell with its parameters.
struct CellActivation {
  float (*f)(float v, float alpha, float beta);
  float alpha = 0, beta = 0;
  float operator()(float v) const { return f(v, alpha, beta); }
};

struct Recurrent {
  int64_t gates = 0, directions = 1, steps = 0, batch = 0, inputs = 0, hidden = 0;
  bool batch_first = false, reverse_first = false;
  float clip = 0;                           // 0: none
  std::vector<CellActivation> activations;  // those of direction 0, then of direction 1

  float clipped(float v) const { return clip > 0 ? (v < -clip ? -clip : v > clip ? clip : v) : v; }
};

/// Reads geometry and attributes of a cell with `gates` gates whose default activations are `defaults` per direction.
/// Inputs: X, W [directions, gates*hidden, inputs], R [directions, gates*hidden, hidden], B, sequence_lens, initial_h.
Recurrent read_recurrent(const OpContext& c, int64_t gates, const std::vector<std::string>& defaults);

/// How a cell multiplies by its weights when they are codes: given by the runtime through OpContext::cell_products. Used
/// from several threads at once.
class CellProducts {
 public:
  virtual ~CellProducts() = default;
  /// y[rows, gates*hidden] = x[rows, inputs] * W^T.
  virtual void input(int64_t direction, const float* x, int64_t rows, float* y) const = 0;
  /// y[count * hidden] += h[hidden] * R^T for `count` gates from gate `first`.
  virtual void recurrent(int64_t direction, int64_t first, int64_t count, const float* h, float* y) const = 0;
};

/// One direction while it runs. `pre`: X*W^T + Wb, [steps, batch, gates*hidden], of which a step reads its row.
struct CellStep {
  int64_t direction;
  const float* pre;       // [gates*hidden] of this step and sequence
  const float* recurrent; // R^T of this direction, [hidden, gates*hidden]; nullptr where `products` is given
  const CellProducts* products;
  const float* r_bias;    // Rb [gates*hidden], or nullptr
  const float* peephole;  // P [3*hidden], or nullptr (LSTM)
  float* h;               // [hidden], in and out
  float* c;               // [hidden], in and out (LSTM), or nullptr
  float* scratch;         // [2 * gates*hidden]
};

/// Runs `step` over time, sequence and direction and fills Y, Y_h (and Y_c if `cell_state`).
void run_recurrent(OpContext& c, const Recurrent& r, bool cell_state,
                   const std::function<void(const CellStep&)>& step);

/// y[j] += sum_k h[k] * m[k * stride + j] for j < n, k rising: a row vector times a row-major matrix.
void add_row_product(const float* h, int64_t k, const float* m, int64_t n, int64_t stride, float* y);

/// y[count * hidden] += h * R^T for `count` gates from gate `first`, in float or by CellStep::products.
void add_hidden_product(const Recurrent& r, const CellStep& s, int64_t first, int64_t count, const float* h, float* y);

}  // namespace bitwright
