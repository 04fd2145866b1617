#include "report/model_text.hpp"

#include <algorithm>

namespace bitwright {
namespace {

std::string tuple(const std::vector<int64_t>& values) {
  std::vector<std::string> parts;
  for (const int64_t v : values) parts.push_back(str(v));
  return "(" + join(parts, ", ") + ")";
}

// Begins and ends, once where they are the same.
std::string padding(const std::vector<int64_t>& pads) {
  const auto half = static_cast<ptrdiff_t>(pads.size() / 2);
  return tuple(std::equal(pads.begin(), pads.begin() + half, pads.begin() + half) ? std::vector<int64_t>(pads.begin(), pads.begin() + half) : pads);
}

std::string label_of(const Graph& graph, const Node& node) {
  if (!node.name.empty()) return node.name;
  const ValueId out = node.output();
  return out != ValueId::none && graph.has_value(out) ? graph.value(out).name : str("#", static_cast<uint32_t>(node.id));
}

const Tensor* constant_input(const Graph& graph, const Node& node, size_t i) {
  const ValueId id = node.input(i);
  return id != ValueId::none && graph.has_value(id) ? graph.constant(id) : nullptr;
}

// Shape of a layer as PyTorch words it: channels, kernel, stride; or in and out features.
std::string sizes(const Graph& graph, const Node& node) {
  const bool recurrent = node.is("LSTM") || node.is("GRU") || node.is("RNN");
  const Tensor* w = constant_input(graph, node, 1);
  if (recurrent && w && w->rank() == 3) return str(w->dim(2), ", ", node.attr_int("hidden_size", 0));
  if (!w || w->rank() < 2) return {};
  if (node.is("Conv") || node.is("ConvTranspose")) {
    const int64_t group = node.attr_int("group", 1), a = w->dim(0), b = w->dim(1) * group;
    const std::vector<int64_t> kernel(w->shape().begin() + 2, w->shape().end()), ones(kernel.size(), 1);
    std::string text = node.is("Conv") ? str(b, ", ", a) : str(a, ", ", b);
    text += ", kernel_size=" + tuple(kernel) + ", stride=" + tuple(node.attr_ints("strides", ones));
    const std::vector<int64_t> pads = node.attr_ints("pads");
    if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; })) text += ", padding=" + padding(pads);
    return group > 1 ? text + str(", groups=", group) : text;
  }
  if (!node.is("Gemm") && !node.is("MatMul")) return {};
  const bool transposed = node.is("Gemm") && node.attr_int("transB", 0);
  return str("in_features=", w->dim(transposed ? -1 : -2), ", out_features=", w->dim(transposed ? -2 : -1));
}

// conv + relu: the grid stands behind the clamp.
const Grid* output_grid(const Model& model, const Uses& uses, const Node& node) {
  const Node* at = &node;
  for (int hops = 0; hops < 3; ++hops) {
    const Entry* entry = model.quantization.find({at->id, Side::output, 0});
    if (entry && !entry->chain.empty()) return &entry->chain.back();
    const int64_t next = uses.single_reader(at->output());
    if (next < 0) return nullptr;
    at = &model.graph.nodes[static_cast<size_t>(next)];
    if (!at->is("Relu") && !at->is("Clip")) return nullptr;
  }
  return nullptr;
}

std::string weights_text(const Grid& grid) {
  if (grid.scale.elements() != 1 || grid.layout.kind != Layout::tensor) return describe(grid);
  return str(grid.format->name, " per tensor (scale ", static_cast<float>(value_as_double(grid.scale, 0)), ")");
}

std::string module_text(const Model& model, const Uses& uses, const Node& node) {
  std::string prefix, weights;
  for (uint16_t i = 0; i < node.inputs.size(); ++i) {
    const Entry* entry = model.quantization.find({node.id, Side::input, i});
    if (!entry) continue;
    if (entry->when == When::at_run) prefix = "Dynamic";
    if (!entry->codes.empty() && entry->when == When::statically && !entry->chain.empty() && weights.empty())
      weights = "weights=" + weights_text(entry->chain.back());
  }
  const Grid* out = output_grid(model, uses, node);
  const bool linear = node.is("Gemm") || node.is("MatMul"), convolves = node.is("Conv") || node.is("ConvTranspose");
  const std::string kind = linear && !weights.empty() ? "Linear" : node.op;
  std::vector<std::string> parts;
  for (const std::string& part : {sizes(model.graph, node), weights, out ? describe(*out) : std::string()})
    if (!part.empty()) parts.push_back(part);
  const bool floats = weights.empty() && (linear || convolves) && constant_input(model.graph, node, 1);  // only its result is codes
  const bool quantized = !floats && (out || !weights.empty());
  return prefix + (quantized ? "Quantized" : "") + kind + "(" + join(parts, ", ") + ")";
}

}  // namespace

std::string describe(const Grid& grid) {
  const std::string format(grid.format->name);
  const int64_t scales = grid.scale.elements();
  if (scales == 0) return format;
  if (grid.layout.kind == Layout::channel) return str(format, " per channel (", scales, " scales)");
  if (grid.layout.kind == Layout::block) return str(format, " in groups of ", grid.layout.block_size, " (", scales, " scales)");
  const int64_t zero = grid.zero.elements() > 0 && is_integer(grid.zero.dtype()) ? value_as_int(grid.zero, 0) : 0;
  return str("scale=", static_cast<float>(value_as_double(grid.scale, 0)), ", zero_point=", zero, ", dtype=", format);
}

std::vector<ModuleLine> module_lines(const Model& model) {
  std::vector<ModuleLine> lines;
  const Uses uses(model.graph);
  for (uint16_t i = 0; i < model.graph.inputs.size(); ++i) {
    const Entry* entry = model.quantization.find({kGraphInput, Side::output, i});
    if (entry && !entry->chain.empty())
      lines.push_back({model.graph.value(model.graph.inputs[i]).name, "Quantize(" + describe(entry->chain.back()) + ")"});
  }
  for (const Node& node : model.graph.nodes) lines.push_back({label_of(model.graph, node), module_text(model, uses, node)});
  return lines;
}

std::string codes_text(const Tensor& codes, int64_t limit) {
  std::string text;
  const int64_t row = codes.rank() > 0 ? std::max<int64_t>(1, codes.dim(-1)) : 1;
  for (int64_t i = 0; i < std::min(codes.elements(), limit); ++i) {
    text += i % row == 0 ? (i ? "]\n  [" : "  [") : ", ";
    text += str(value_as_int(codes, i));
  }
  if (!text.empty()) text += "]\n";
  if (codes.elements() > limit) text += str("  ... ", codes.elements() - limit, " more\n");
  return text;
}

}  // namespace bitwright
