// Names and patterns: which nodes a recipe speaks of.
#include <algorithm>

#include "calibrate/place.hpp"

namespace bitwright {

std::string_view name_of(Method method) {
  switch (method) {
    case Method::static_ranges: return "static";
    case Method::dynamic: return "dynamic";
    case Method::weight_only: return "weight-only";
  }
  return "unknown";
}

std::string label(const Graph& graph, const Node& node) {
  if (!node.name.empty()) return node.name;
  for (const ValueId output : node.outputs)
    if (output != ValueId::none && !graph.value(output).name.empty()) return graph.value(output).name;
  return str(node.op, "#", static_cast<uint32_t>(node.id));
}

bool glob_match(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;  // the last star swallows one character more
      t = ++resume;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<ptrdiff_t>(p), pattern.end(), [](char c) { return c == '*'; });
}

namespace {

constexpr DynamicChoice kDynamic[] = {
    {"MatMul", "transformers wait for weights from memory; activation ranges vary from text to text"},
    {"Gemm", "fully connected layers wait for weights from memory, like MatMul"},
    {"LSTM", "recurrent networks wait for weights from memory at every time step"},
    {"GRU", "recurrent networks wait for weights from memory at every time step"},
    {"RNN", "recurrent networks wait for weights from memory at every time step"},
    {"Conv", "bound by activations: static quantization suits convolutions better, so only when named"},
    {"Gather", "embedding tables are read a row at a time: smaller files but no speed, so only when named"},
};

}  // namespace

std::span<const DynamicChoice> dynamic_operators() { return kDynamic; }
std::vector<std::string> default_dynamic_operators() { return {"MatMul", "Gemm", "LSTM", "GRU", "RNN"}; }

}  // namespace bitwright
