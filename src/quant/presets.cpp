#include "quant/presets.hpp"

#include <string>
#include <vector>

namespace bitwright {
namespace {

Scheme scheme(std::string_view format, Symmetry symmetry, QParamRule rule, Layout::Kind granularity = Layout::tensor,
              bool reduce_range = false) {
  Scheme result{&format_named(format)};
  result.symmetry = symmetry;
  result.rule = rule;
  result.granularity = granularity;
  result.reduce_range = reduce_range;
  return result;
}

std::vector<Preset> make_presets() {
  using enum Symmetry;
  using enum QParamRule;
  constexpr auto kTensor = Layout::tensor, kChannel = Layout::channel;
  const Scheme torch_full = scheme("uint8", affine, pytorch);
  const Scheme torch_reduced = scheme("uint8", affine, pytorch, kTensor, true);
  const Scheme torch_tensor = scheme("int8", symmetric, pytorch);
  const Scheme torch_channel = scheme("int8", symmetric, pytorch, kChannel);
  return {
      {"bitwright", "our default: unsigned activations, every bit used, symmetric weights per channel",
       scheme("uint8", affine, onnxruntime), scheme("int8", symmetric_restricted, onnxruntime, kChannel), "minmax",
       "minmax"},
      {"fbgemm", "PyTorch on x86 servers: 7-bit activations by histogram, weights per channel", torch_reduced,
       torch_channel, "histogram", "minmax", true},
      {"x86", "PyTorch's default backend; the same numbers as fbgemm", torch_reduced, torch_channel, "histogram",
       "minmax", true},
      {"qnnpack", "PyTorch on ARM: 8-bit activations by histogram, weights per tensor", torch_full, torch_tensor,
       "histogram", "minmax"},
      {"onednn", "PyTorch on oneDNN: 8-bit activations by histogram, weights per channel", torch_full, torch_channel,
       "histogram", "minmax"},
      {"pytorch_default", "PyTorch's default_qconfig: 7-bit activations by min-max, weights per tensor", torch_reduced,
       torch_tensor, "minmax", "minmax"},
      {"onnxruntime", "quantize_static's defaults: int8 activations by min-max, symmetric weights per tensor",
       scheme("int8", affine, onnxruntime), scheme("int8", symmetric, onnxruntime), "minmax", "minmax"},
      {"tflite", "the TFLite 8-bit specification: int8 activations, weights -127 ... 127 per channel",
       scheme("int8", affine, tflite), scheme("int8", symmetric_restricted, tflite, kChannel), "minmax", "minmax"},
  };
}

}  // namespace

std::span<const Preset> presets() {
  static const std::vector<Preset> all = make_presets();
  return all;
}

const Preset* find_preset(std::string_view name) {
  for (const Preset& preset : presets())
    if (preset.name == name) return &preset;
  return nullptr;
}

const Preset& preset_named(std::string_view name) {
  if (const Preset* preset = find_preset(name)) return *preset;
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "there is no preset '", name, "'",
       near.empty() ? "; there are " + join(names, ", ") : "; did you mean '" + near + "'?");
}

}  // namespace bitwright
