// One linear layer of a quantized network followed number by number (mission A1.11): codes in, products and their exact sum, the
// multiplier that brings the sum to the next grid, codes out. What `explain layer` prints.
#pragma once

#include "calibrate/calibrate.hpp"

namespace bitwright {

struct CodeSpan {
  int64_t lo = 0, hi = 0;

  /// Bits of the smallest integer type, two's complement where lo < 0, that holds both.
  int bits() const;
};

struct Dataflow {
  std::string name, op, clamp;       // "conv1", "Conv", "Relu" where one was absorbed
  int64_t channels = 0, products = 0;  // of the output; summed for one value of it
  Grid src, weight;
  std::optional<Grid> dst;           // none: the result is float
  bool has_bias = false;
  int64_t records = 0;
  CodeSpan src_codes, weight_codes, bias_codes, sum, dst_codes;  // as seen; bias as int32 codes
  CodeSpan reachable;                // by the sum, from the weights alone (docs/quantization.md Q9)
  std::vector<float> multiplier;     // per channel, fl32(fl32(sx * sw) / sy); to floats: fl32(sx * sw)
};

/// Names of the layers that layer_dataflow takes: Conv, Gemm and MatMul with static 8-bit codes on both sides.
std::vector<std::string> dataflow_layers(const Model& model);

/// Runs `batches` through the network and watches the layer. Error{usage} for a name that is none of dataflow_layers, with the
/// nearest.
Dataflow layer_dataflow(const Model& model, const std::string& layer, const Batches& batches);

/// M = m0 * 2^-31 * 2^shift with 2^30 <= m0 < 2^31: the fixed-point form in which integer processors multiply.
struct FixedPoint {
  int64_t m0 = 0;
  int shift = 0;
};
FixedPoint fixed_point(float multiplier);

}  // namespace bitwright
