// ONNX from memory: what is read is folded, simplified, written as nodes and folded again. Every refusal is an Error.
#include "io/onnx/onnx.hpp"
#include "passes/fold.hpp"
#include "passes/pass.hpp"

namespace {

/// Computing is not what is tested here: long loops over tensors that a few bytes describe would only cost time.
bool is_small(const bitwright::Graph& graph) {
  if (graph.nodes.size() > 200) return false;
  for (const auto& [id, value] : graph.values()) {
    if (value.is_constant() && value.constant.elements() > 4096) return false;
    for (const int64_t extent : value.shape)
      if (extent > 64) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  try {
    const Model model = read_onnx(std::as_bytes(std::span(data, size)), "fuzz");
    verify(model);
    if (!is_small(model.graph)) return 0;
    const Model folded = simplify(fold(model));
    fold(materialise(folded));
  } catch (const Error&) {
  }
  return 0;
}
