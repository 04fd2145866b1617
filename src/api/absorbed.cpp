// Activation functions that exist only as ranges of codes.
#include "api/api.hpp"

namespace bitwright {
namespace {

bool starts_at_zero(const Grid& grid) {
  if (!grid.format->is_integer || grid.layout.kind != Layout::tensor || is_float(grid.zero.dtype())) return false;
  return grid.qmin == (grid.zero.empty() ? 0 : value_as_int(grid.zero, 0));
}

}  // namespace

std::vector<std::string> activations_in_ranges(const Model& model) {
  std::vector<std::string> names;
  for (const Node& node : model.graph.nodes) {
    const bool linear =
        node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm") || node.is("MatMul") || node.is("Add");
    const Entry* entry = linear ? model.quantization.find({node.id, Side::output, 0}) : nullptr;
    if (entry && entry->when == When::statically && !entry->chain.empty() && starts_at_zero(entry->chain[0]))
      names.push_back(display_name(node));
  }
  return names;
}

}  // namespace bitwright
