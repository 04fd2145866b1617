// A Model as text: what tests compare, what dumps of passes show, what our own file format stores. print and parse are
// inverses, except for tensors longer than `inline_elements`, which are printed as `#` and found by name when parsing.
//
//     graph "net" {
//       input x: f32[N,3,8,8]
//       const w: f32[2] = {1, 2}
//       y: f32[N,2] = Gemm(x, w, _) transB=1 alpha=0.5 @"fc1"
//       output y
//     }
//     at 0 input 1: static {int8 -127 127 channel 0 scale f32[2]{0.5, 0.25}} codes i8[2]{3, -4}
//
// A site is named by the position of its node, those of nested graphs behind the graph's own (or `input K` of the graph), `_` is an input left out. `output hn -> h`:
// the input h takes it in the next step (state).
#pragma once

#include <functional>

#include "graph/quantization.hpp"

namespace bitwright {

struct PrintOptions {
  int64_t inline_elements = 64;
};
std::string print(const Graph& graph, const PrintOptions& options = {});
std::string print(const Model& model, const PrintOptions& options = {});

/// Finds the contents of a tensor printed as `#`: by the name of its constant, with ".codes", ".scale" ... for parts of
/// entries.
using FindTensor = std::function<Tensor(const std::string& name)>;
/// Throws Error{malformed} with the line.
Model parse_model(std::string_view text, const FindTensor& find = {});

}  // namespace bitwright
