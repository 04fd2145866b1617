#include "passes/step_writer.hpp"

#include "core/spill.hpp"
#include "quant/pack.hpp"

namespace bitwright {
namespace {

Tensor pack_if(const Tensor& codes, DType file) { return is_packed(file) ? pack(codes, file) : codes; }

void set_layout(Node& node, const Layout& layout) {
  if (layout.kind != Layout::tensor) node.attributes["axis"] = int64_t{layout.axis};
  if (layout.kind == Layout::block) node.attributes["block_size"] = layout.block_size;
}

bool expressible(const Grid& grid) {
  const bool zero_fits = grid.zero.empty() || grid.zero.dtype() == grid.format->storage;
  return grid.format->is_integer && grid.table.empty() && zero_fits && is_float(grid.scale.dtype());
}

/// A 16-bit float as it is, without a scale.
bool is_half(const Grid& grid) {
  const DType type = grid.format->storage;
  return (type == DType::f16 || type == DType::bf16) && grid.scale.empty() && grid.table.empty();
}

}  // namespace

void StepWriter::note(const Node& dq, const std::string& text) {
  if (!text.empty()) metadata_[kNoteKey + dq.name] = text;
}

ValueId StepWriter::write(ValueId value, const Entry& entry, std::optional<ValueId> end, const std::string& where) {
  const std::string stem = r_.graph().has_value(value) ? r_.graph().value(value).name : "value";
  for (size_t i = 0; i < entry.chain.size(); ++i) {
    Grid grid = entry.chain[i];
    const bool last = i + 1 == entry.chain.size();
    if (is_half(grid)) {
      value = write_rounding(value, grid, last && end ? *end : r_.add_value(stem + "_rounded", DType::f32), stem);
      continue;
    }
    if (!expressible(grid) || grid.format->name == "int32" || grid.scale.dtype() != DType::f32)
      fail(ErrorCode::unsupported, where, ": ", grid.format->name, " with these parameters has no ONNX form");
    // Codes of less than 8 bits lie in whole bytes: ONNX Runtime refuses operators on packed activations.
    const bool whole = grid.qmin == grid.format->code_min && grid.qmax == grid.format->code_max &&
                       format_of(grid.format->file) == grid.format && !is_packed(grid.format->file);
    const DType file = whole ? grid.format->file : grid.format->storage;
    if (grid.zero.empty()) grid.zero = zero_tensor(*grid.format, grid.scale.shape(), std::vector<int32_t>(static_cast<size_t>(grid.scale.elements())));
    const ValueId scale = r_.add_constant(stem + "_scale", grid.scale);
    const ValueId zero = r_.add_constant(stem + "_zero_point", pack_if(grid.zero, file));
    const auto limits = float_limits(grid);
    if (limits) value = write_float_clip(value, *limits, stem);
    ValueId codes = r_.add_value(stem + "_quantized", file);
    set_layout(r_.add("QuantizeLinear", {value, scale, zero}, {codes}, names_.unique(stem + "_QuantizeLinear")), grid.layout);
    if (!whole && !limits) codes = write_clip(codes, grid, stem);
    const ValueId result = last && end ? *end : r_.add_value(stem + "_dequantized", DType::f32);
    Node& dq = r_.add("DequantizeLinear", {codes, scale, zero}, {result}, names_.unique(stem + "_DequantizeLinear"));
    set_layout(dq, grid.layout);
    note(dq, note_of(entry, grid, false));
    value = result;
  }
  return value;
}

ValueId StepWriter::write_rounding(ValueId value, const Grid& grid, ValueId result, const std::string& stem) {
  const std::string format(grid.format->name);
  const ValueId half = r_.add_value(stem + "_" + format, grid.format->storage);
  auto cast = [&](ValueId from, ValueId to, DType type) {
    r_.add("Cast", {from}, {to}, names_.unique(stem + "_Cast")).attributes["to"] = static_cast<int64_t>(type);
  };
  cast(value, half, grid.format->storage);
  cast(half, result, DType::f32);
  return result;
}

ValueId StepWriter::write_clip(ValueId codes, const Grid& grid, const std::string& stem) {
  auto limit = [&](int32_t code, const char* suffix) {
    return r_.add_constant(stem + suffix, zero_tensor(*grid.format, {}, std::span<const int32_t>(&code, 1)));
  };
  const ValueId clipped = r_.add_value(stem + "_clipped", grid.format->storage);
  r_.add("Clip", {codes, limit(grid.qmin, "_code_min"), limit(grid.qmax, "_code_max")}, {clipped}, names_.unique(stem + "_Clip"));
  return clipped;
}

ValueId StepWriter::write_float_clip(ValueId value, std::pair<float, float> limits, const std::string& stem) {
  const ValueId low = r_.add_constant(stem + "_min", Tensor::scalar(limits.first));
  const ValueId high = r_.add_constant(stem + "_max", Tensor::scalar(limits.second));
  const ValueId clipped = r_.add_value(stem + "_clipped", DType::f32);
  r_.add("Clip", {value, low, high}, {clipped}, names_.unique(stem + "_Clip"));
  return clipped;
}

ValueId StepWriter::write_codes(ValueId value, const Entry& entry) {
  const Grid& grid = entry.chain.back();
  const std::string stem = r_.graph().value(value).name;
  if (!expressible(grid)) return write_float_codes(stem, entry);
  const DType file = grid.format->file;
  const ValueId codes = r_.add_constant(stem + "_quantized", spilled(pack_if(entry.codes, file)));
  forget_pages(entry.codes);
  const ValueId scale = r_.add_constant(stem + "_scale", grid.scale);
  const ValueId result = r_.add_value(stem, grid.scale.dtype());
  std::vector<ValueId> inputs = {codes, scale};
  if (!grid.zero.empty()) inputs.push_back(r_.add_constant(stem + "_zero_point", pack_if(grid.zero, file)));
  Node& dq = r_.add("DequantizeLinear", inputs, {result}, names_.unique(stem + "_DequantizeLinear"));
  set_layout(dq, grid.layout);
  note(dq, note_of(entry, grid, true));
  return result;
}

ValueId StepWriter::write_float_codes(const std::string& stem, const Entry& entry) {
  const Grid& grid = entry.chain.back();
  const DType type = entry.codes.dtype();
  if (!is_half(grid) || type != grid.format->storage)
    return r_.add_constant(stem, dequantize(entry.codes, grid));
  const ValueId result = r_.add_value(stem, DType::f32);
  Node& cast = r_.add("Cast", {r_.add_constant(stem + "_" + std::string(grid.format->name), entry.codes)}, {result},
                      names_.unique(stem + "_Cast"));
  cast.attributes["to"] = static_cast<int64_t>(DType::f32);
  return result;
}

}  // namespace bitwright
