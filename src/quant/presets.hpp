// The habits of the known toolkits as data: which observer and which scheme for activations and for weights. A recipe
// names one and changes single fields. Sources: PyTorch torch/ao/quantization/qconfig.py, ONNX Runtime quantize_static's
// defaults, the TFLite 8-bit specification (reference/algorithms.md B.34, B.35).
#pragma once

#include <span>
#include <string_view>

#include "quant/scheme.hpp"

namespace bitwright {

struct Preset {
  std::string_view name;
  std::string_view about;
  Scheme activation, weight;
  std::string_view activation_observer, weight_observer;  // names in the calibrate catalogue
  bool pytorch_dst_bins = false;  // for ObserverOptions: PyTorch's search thinks of 256 codes even when 128 are in use
};

/// bitwright, fbgemm, x86, qnnpack, onednn, pytorch_default, onnxruntime, tflite.
std::span<const Preset> presets();
/// nullptr if there is none with that name.
const Preset* find_preset(std::string_view name);
/// Throws Error{usage} naming the nearest.
const Preset& preset_named(std::string_view name);

}  // namespace bitwright
