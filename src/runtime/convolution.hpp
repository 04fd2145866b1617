// What every lowering of a convolution on codes needs: its geometry, its weights in the form that the chosen kernel reads, and
// the walk of that kernel over the output.
#pragma once

#include "kernels/conv/conv.hpp"
#include "runtime/followers.hpp"

namespace bitwright {

struct ConvGeometry {
  ConvShape shape;
  std::string reason;  // why no integer kernel can do it; empty: shape is valid
};
/// Of Conv or ConvTranspose; 1-D becomes 2-D with a height of 1.
ConvGeometry conv_geometry(const Node& node, const Tensor& x, const Tensor& w, const Tensor& y, bool transposed);

/// In the words of StepInfo::problem.
std::string conv_problem(const ConvShape& shape, bool transposed, DType out_type);

/// ONNX [oc, c/groups, kh, kw] (transposed: [c, oc/groups, kh, kw]) -> [oc, kh, kw, c/groups], i8 or i16.
Tensor conv_weights_last(const Tensor& w, const ConvShape& shape, bool transposed);

/// Constant weights of a convolution, shared by all plans of a Program: of `shape` only what does not change with the call's
/// shapes is looked at.
class ConvWeights {
 public:
  /// Chooses the kernel for activations `src` and results of `out_type`, and packs for it.
  ConvWeights(const Linear& linear, const ConvShape& shape, bool transposed, SrcCodes src, DType out_type, const KernelWish& wish);

  const ConvRow& row() const { return *row_; }
  const std::vector<std::string>& refused() const { return refused_; }
  const std::vector<std::string>& others() const { return others_; }
  const std::vector<Reach>& reach() const { return reach_; }
  int64_t bytes() const { return static_cast<int64_t>(codes_.bytes() + packed_.bytes.bytes()); }
  void keep_in(KeptMemory& memory) { packed_.bytes = memory.keep(packed_.bytes); }
  /// After all that asks for reach().
  void forget_reach() { reach_ = std::vector<Reach>(); }
  /// Per worker.
  int64_t scratch_bytes(const ConvShape& shape) const { return row_->packing == ConvPacking::none ? 0 : conv_scratch_bytes(shape); }
  /// All pixels of the result. Of `args` the caller fills the source, its type and zero point, and the output.
  /// `followers`: done on every block of the result.
  void run(StepContext& context, const ConvShape& shape, ConvArgs args, const Followers& followers = {}) const;

 private:
  int64_t rows_together(const ConvShape& shape) const;
  ProductSize size_of(const ConvShape& shape) const;

  const ConvRow* row_ = nullptr;
  std::vector<std::string> refused_, others_;
  std::vector<Reach> reach_;
  PackedWeights packed_;             // for every kernel but the references,
  Tensor codes_;                     // which read [oc, kh, kw, c / groups]
  std::vector<int32_t> zero_, bias_;
  bool wide_ = false;
};

/// What `inspect` and `bench` show of a step that convolves with these weights.
void describe_convolution(const Node& node, const ConvShape& shape, const ConvWeights& weights, Step& step);

}  // namespace bitwright
