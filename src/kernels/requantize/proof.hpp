// Choosing how to requantize, with the proof that the choice equals the profile on every accumulator that the actual
// weights can produce. Made at every compile; what the certificate in a report prints.
#pragma once

#include <string>
#include <vector>

#include "kernels/requantize/requantize.hpp"

namespace bitwright {

/// The accumulators a channel can reach, both ends included.
struct Reach {
  int64_t lo, hi;
};

/// equal: the step gives the profile's code for every accumulator in reach. Otherwise `first` is the least that
/// differs.
struct ChannelProof {
  bool equal = true;
  int64_t first = 0;
  int32_t evaluations = 0;  // of the step; at most 2 * (hi - lo) when equal
};

/// Owns what a Requantize points to. Channels: one per weight scale.
struct RequantizePlan {
  std::vector<float> m32;
  std::vector<double> m64;
  std::vector<RequantizeRatio> ratio;
  int64_t channels = 0;
  Requantize constants;             // without the pointers
  std::vector<ChannelProof> proof;  // of the chosen step; empty when the step is the definition itself
  std::string refused;              // why a faster step was not taken, with the first channel and accumulator; or empty

  Requantize view() const;
  /// Frees what neither the step nor the profile's definition reads.
  void keep_what_is_read();
  /// Frees what the step does not read: requantize_exact may not be asked any more.
  void keep_step();
};

struct RequantizeSpec {
  RequantizeProfile profile = RequantizeProfile::ort;
  float src_scale = 1, dst_scale = 1;  // > 0
  std::vector<float> weight_scale;     // > 0, one per channel
  int32_t zero_point = 0;
  int32_t lo = 0, hi = 255;    // codes, lo <= zero_point <= hi unless a clamp removed the zero; within 17 bits
  std::vector<int64_t> count;  // divides M, per channel, for means: 1 <= count < 2^24; empty: 1
};

/// The fastest step (f32, f64, exact) proved equal to the profile on `reach` (one per channel, or one for all). With
/// a count the profile `ort` uses m = fl32(sx / fl32(sy * count)), as ONNX Runtime's global average pooling does.
/// Throws Error{numeric} for scales that are not positive and finite, or whose multiplier is not.
RequantizePlan plan_requantize(const RequantizeSpec& spec, const std::vector<Reach>& reach);

/// For means of `first` to `last` codes: channel i is for sums of first + i values code - src_zero, codes in [0,
/// src_hi].
RequantizePlan plan_mean(RequantizeSpec spec, int64_t first, int64_t last, int32_t src_zero, int32_t src_hi);

/// Proves the step of `r` against its profile for one channel. Both must be non-decreasing, which all three steps are.
ChannelProof prove_requantize(const Requantize& r, int64_t channel, Reach reach);

}  // namespace bitwright
