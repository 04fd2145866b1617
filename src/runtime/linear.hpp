// What convolution and matrix product have in common when they run on codes: weights and bias from the table, the way the
// result leaves (codes or float), and the simulated twin that computes the same on integer-valued floats.
#pragma once

#include "kernels/requantize/proof.hpp"
#include "runtime/lowering.hpp"
#include "runtime/weights.hpp"

namespace bitwright {

/// A linear node as the table describes it.
struct Linear {
  EngineGrid src;
  Tensor weights;                  // codes as in the model: i8, or i16 for wide formats; unsigned ones shifted to signed
  std::vector<float> weight_scale; // one per output channel
  std::vector<int32_t> weight_zero;  // one per output channel
  bool has_weight_zero = false;
  std::vector<int32_t> bias;       // codes of scale fl32(sx * sw); empty: none
  std::vector<float> float_bias;   // a bias that is no multiple of sx * sw: added to the sums as floats
  Lowering::Tail tail;             // where the result goes
  std::optional<EngineGrid> dst;   // of tail.value; none: float result
  int64_t channels = 0;

  SrcCodes src_codes() const { return {src.zero, src.lo, src.hi}; }
  WeightCodes weight_codes(int64_t k_stride, int64_t column_stride) const {
    return {weights, 0, k_stride, column_stride, weight_zero, bias};
  }
  /// The kernel leaves codes; otherwise floats, which a float bias asks for even where the result becomes codes afterwards.
  bool leaves_codes() const { return dst && float_bias.empty(); }
  DType out_type() const { return leaves_codes() ? dst->type : DType::f32; }
  /// dst with the limits of the clamps on the way: a clamp before a monotone quantizer is a clamp of codes.
  EngineGrid clamped_dst() const;
};

/// Rows of the matrices in x: the product of all extents but the last (which may be 0).
inline int64_t rows_of(const Shape& x) { return elements_of(std::span(x).first(x.size() - 1)); }

/// A product with constant weights as one of matrices: y[m, n] = x[m, k] * w[k, n], whatever axes of extent 1 there are besides.
struct ProductShape {
  int64_t m = 0, n = 0, k = 0;
  bool trans_b = false;
  int axis = 0;        // of w: output channels; no axis at all for a vector
  std::string reason;  // why it is none; empty: the rest is valid
};
ProductShape product_shape(const Lowering& lowering, const Node& node);

/// Codes, scales and zero points of weights at `input` into `linear` (channels set); returns what stands in the way.
std::string read_weights(const Lowering& lowering, const Node& node, size_t input, int axis, Linear& linear);

/// Reads the table for node input 0 (activations), `weight_input` (codes, output channels along `axis`), `bias_input`.
/// The reason names what stands in the way.
std::variant<Linear, std::string> read_linear(const Lowering& lowering, const Node& node, size_t weight_input,
                                              size_t bias_input, int axis, int64_t channels);

/// Where the result of a linear node goes: fills tail and dst.
void read_tail(const Lowering& lowering, const Node& node, Linear& linear);

/// How a result leaves: owns what Output points to.
struct Leaving {
  RequantizePlan requantize;
  std::vector<float> scale;  // float result: fl32(sx * sw) per channel
  std::vector<float> bias;
  bool to_codes = false;
  DType type = DType::f32;

  Output output(void* data, int64_t stride) const;
};
/// `reach`: accumulators that can occur, per channel. Adds certificates to `notes`.
Leaving make_leaving(const Linear& linear, Profile profile, const std::vector<Reach>& reach,
                     std::vector<std::string>& notes);
/// Input i of the node as integer-valued floats q - zero (simulated target).
BufferId centered(Lowering& lowering, const Node& node, size_t i, const EngineGrid& grid);
/// From integer-valued float sums to the node's result, by the definition of the profile.
void leave_simulated(Lowering& lowering, const Node& node, const Linear& linear, BufferId sums,
                     int64_t channel_axis_from_end, const std::vector<Reach>& reach);
/// Why sums in `reach` cannot be computed with floats, if so.
Reason floats_refuse(const std::vector<Reach>& reach);

/// The simulated form: the node's own float operator on integer-valued floats, which is exact while every partial sum stays
/// below 2^24, then the profile's definition of requantizing. Returns a reason when that bound does not hold.
Reason lower_simulated(Lowering& lowering, const Node& node, const Linear& linear, size_t weight_input, size_t bias_input,
                       int weight_axis, int64_t channel_axis_from_end, const std::vector<Reach>& reach);

/// Defines the result of a linear node whose kernel wrote `buffer`.
void define_linear(Lowering& lowering, const Node& node, const Linear& linear, BufferId buffer, Order order);

}  // namespace bitwright
