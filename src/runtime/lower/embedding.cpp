// Gather of rows from a quantized constant (an embedding): the codes are gathered and only those rows become floats.
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

/// Codes as the engine holds them.
Tensor engine_codes(const Tensor& codes, const EngineGrid& grid) {
  if (grid.shift == 0) return codes;
  Tensor shifted(grid.type, codes.shape());
  for (int64_t i = 0; i < codes.elements(); ++i)
    shifted.values<uint8_t>()[static_cast<size_t>(i)] = static_cast<uint8_t>(value_as_int(codes, i) + grid.shift);
  return shifted;
}

Reason lower_rows(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->codes.empty()) return "";
  if (lowering.simulated()) return "simulated in float";
  const auto grid = entry->chain.size() == 1 ? engine_grid(entry->chain[0]) : std::nullopt;
  if (!grid || (grid->shift != 0 && grid->type != DType::u8)) return "scales that are not one per tensor";
  const Tensor* result = lowering.known(node.output());
  if (!result) return "the number of rows is only known at run time";
  const auto codes = lowering.shared(node, "engine codes", [&] { return engine_codes(entry->codes, *grid); });
  const BufferId table = lowering.make_constant(*codes);
  const BufferId rows = lowering.make(grid->type, result->shape());
  auto gather = operator_step(node, {table, lowering.floats(node, 1)}, {rows});
  gather->info.node = node.id;
  gather->info.name = display_name(node);
  gather->info.kernel = "Gather of codes";
  lowering.add(std::move(gather));
  if (lowering.output_grid(node.output()) == grid) return lowering.define_codes(node.output(), rows, Order::plain), Reason();
  const BufferId values = lowering.make(DType::f32, result->shape());
  lowering.add(dequantize_step(rows, values, *grid));
  lowering.define_raw(node.output(), values);
  return {};
}

const LoweringRule kRules[] = {{"Gather", lower_rows}};

}  // namespace

std::span<const LoweringRule> lowerings_embedding() { return kRules; }

}  // namespace bitwright
