// Constant weights in the form that the chosen kernel reads. They follow from the model and the instruction set, never from
// the shapes of a call: Lowering::shared keeps them for all plans of a Program.
#pragma once

#include <span>

#include "kernels/matmul/matmul.hpp"
#include "runtime/plan.hpp"

namespace bitwright {

/// Codes of a weight matrix, i8 or i16, wherever they lie: element (k, column) at codes[first + k * k_stride + column *
/// column_stride]. Zero points and biases: one per column, or none.
struct WeightCodes {
  Tensor codes;
  int64_t first = 0, k_stride = 1, column_stride = 1;
  std::span<const int32_t> zero, bias;
};

/// Every accumulator that `columns` sums over `k` products can reach for activations `src`.
std::vector<Reach> reach_of(const WeightCodes& w, int64_t k, int64_t columns, SrcCodes src);

/// "kernel: reason" for each.
std::vector<std::string> lines(const std::vector<Refusal>& refused);

/// Panels, and the rows that tiles of their width take.
void set_panels(ProductSize& size, const PackedWeights& packed);
/// A product of m rows in the words of StepInfo::problem.
std::string matmul_problem(int64_t m, int64_t k, int64_t n, DType out_type);

class Followers;

class MatMulWeights {
 public:
  /// Chooses the kernel for activations of `src_type` and results of `out_type`, and packs for it.
  MatMulWeights(const WeightCodes& w, int64_t k, int64_t n, SrcCodes src, DType src_type, DType out_type, const KernelWish& wish);

  const MatMulRow& row() const { return *row_; }
  const std::vector<std::string>& refused() const { return refused_; }
  const std::vector<std::string>& others() const { return others_; }
  const std::vector<Reach>& reach() const { return reach_; }
  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  /// What the packed kernels compute one by one; none for the reference.
  std::span<const PackedPanel> panels() const { return packed_.panels; }
  int64_t bytes() const { return static_cast<int64_t>(packed_.bytes.bytes() + rows_.bytes()); }
  void keep_in(KeptMemory& memory) { packed_.bytes = memory.keep(packed_.bytes); }
  /// After all that asks for reach().
  void forget_reach() { reach_ = std::vector<Reach>(); }
  /// The product of m rows; a, its zero points and the output are the caller's to fill.
  MatMulArgs args(int64_t m) const;
  /// Computes what args() began, on all threads.
  void multiply(StepContext& context, const MatMulArgs& args, const Followers& followers) const;
  void multiply(StepContext& context, const MatMulArgs& args) const;

 private:
  int64_t k_, n_;
  const MatMulRow* row_ = nullptr;
  std::vector<std::string> refused_, others_;
  std::vector<Reach> reach_;
  PackedWeights packed_;             // for every kernel but the reference,
  Tensor rows_;                      // which reads [k, n]
  std::vector<int32_t> zero_, bias_;
  bool wide_ = false;
};

}  // namespace bitwright
