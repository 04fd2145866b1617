// What LayerNormalization and RMSNormalization share: means over the last axis and 1 / sqrt(mean(d^2) + eps).
#pragma once

#include "passes/match.hpp"

namespace bitwright {

/// The value averaged over its last axis with that axis kept; none if `id` is no such mean.
ValueId last_axis_mean(Rewriter& r, ValueId id, bool read_once);
/// d * d or d^2
bool is_square(Rewriter& r, ValueId id, ValueId d);
/// The value whose inverse this is, written as Reciprocal or as 1 / value; none if it is no such.
ValueId inverted_by(Rewriter& r, ValueId id);
/// What is squared in sqrt(mean(d^2) + eps), before anything is known of d: to be checked with root_mean_square.
ValueId deviation_squared_in(Rewriter& r, ValueId root);
/// sqrt(mean(d^2) + eps) for this d; epsilon then.
std::optional<float> root_mean_square(Rewriter& r, ValueId id, ValueId d);
/// d where `node` is d / rms(d) or d * (1 / rms(d)).
struct Normalised {
  ValueId d = ValueId::none;
  float epsilon = 0;
};
Normalised normalised_by(Rewriter& r, const Node& node);
/// A vector constant that stretches or shifts the last axis.
bool is_last_axis_vector(Rewriter& r, ValueId id);

}  // namespace bitwright
