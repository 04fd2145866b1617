// A model as a list of modules, in the style in which PyTorch prints one (mission A3.14, A3.18): kind, sizes, formats, scale
// and zero point of each layer.
#pragma once

#include <string>
#include <vector>

#include "graph/quantization.hpp"

namespace bitwright {

struct ModuleLine {
  std::string name, text;  // "conv1", "QuantizedConv(3, 6, kernel_size=(5, 5), ...)"
};

/// One line per node, and one Quantize for every quantized graph input.
std::vector<ModuleLine> module_lines(const Model& model);

/// "uint8, scale=0.0821, zero_point=65", "int8 per channel (6 scales)".
std::string describe(const Grid& grid);

/// The integer codes of a tensor: at most `limit` of them, rows of the last axis, as int_repr() prints them.
std::string codes_text(const Tensor& codes, int64_t limit = 400);

}  // namespace bitwright
