#include "passes/fold_nodes.hpp"

#include <algorithm>
#include <cmath>

#include "ops/op.hpp"
#include "quant/pack.hpp"

namespace bitwright {
namespace {

bool is_microsoft_or_standard(const Node& node) { return node.domain.empty() || node.domain == "com.microsoft"; }

}  // namespace

bool is_quantize(const Node& node) {
  return node.op == "QuantizeLinear" && is_microsoft_or_standard(node) && node.output() != ValueId::none;
}
bool is_dequantize(const Node& node) {
  return node.op == "DequantizeLinear" && is_microsoft_or_standard(node) && node.output() != ValueId::none;
}

std::optional<Grid> grid_of(const Graph& graph, const Node& node, DType codes, std::string* why, Scales scales) {
  const Tensor* scale = graph.constant(node.input(1));
  const Tensor* zero = node.input(2) == ValueId::none ? nullptr : graph.constant(node.input(2));
  if (!scale || (!zero && node.input(2) != ValueId::none)) {
    *why = "its scale or zero point is computed at run time";
    return {};
  }
  const bool half = scale->dtype() == DType::f16 || scale->dtype() == DType::bf16;
  if (scale->dtype() != DType::f32 && !(half && scales == Scales::any_float)) {
    *why = str("its scale is ", name_of(scale->dtype()), ": ",
               half ? "quotients and results rounded to that are no arithmetic of the table" : "f32 is wanted");
    return {};
  }
  if (is_dequantize(node) && node.has_attr("output_dtype") && node.attr_int("output_dtype", 0) != static_cast<int64_t>(scale->dtype())) {
    *why = "its result has another type than its scale";
    return {};
  }
  const auto given = static_cast<DType>(is_quantize(node) ? node.attr_int("output_dtype", 0) : 0);
  const DType type = zero ? zero->dtype() : given != DType::none ? given : codes != DType::none ? codes : DType::u8;
  const Format* format = format_of(type);
  if (!format || !format->is_integer) {
    *why = str("its codes are ", name_of(type), ", which is no integer format");
    return {};
  }
  if (zero && codes != DType::none && zero->dtype() != codes) {
    *why = str("its codes are ", name_of(codes), ", its zero point is ", name_of(zero->dtype()));
    return {};
  }
  for (int64_t i = 0; i < scale->elements(); ++i)
    if (const double s = value_as_double(*scale, i); !(s > 0) || s > std::numeric_limits<float>::max()) {
      *why = "its scale is not positive";
      return {};
    }
  Grid grid{format, format->code_min, format->code_max, {}, *scale, zero ? unpack(*zero) : Tensor(), {}};
  const auto axis = static_cast<int>(node.attr_int("axis", 1));
  if (const int64_t block = node.attr_int("block_size", 0); block > 0) {
    grid.layout = {Layout::block, axis, block};
  } else if (scale->rank() == 1 && (scale->elements() != 1 || node.has_attr("axis"))) {
    grid.layout = {Layout::channel, axis, 0};
    const Value* x = graph.has_value(node.input(0)) ? &graph.value(node.input(0)) : nullptr;
    const auto at = static_cast<size_t>(axis < 0 && x ? axis + static_cast<int>(x->shape.size()) : axis);
    // One scale with an axis whose extent is another (or unknown) is meant for the whole tensor.
    const bool one_channel = x && x->has_shape && at < x->shape.size() && x->shape[at] == 1;
    if (scale->elements() == 1 && !one_channel) grid.layout = {};
  } else if (scale->elements() != 1) {
    *why = "its scale has neither one element nor one dimension";
    return {};
  }
  if (zero && zero->elements() != scale->elements()) {
    *why = "its zero point has another shape than its scale";
    return {};
  }
  return grid;
}

std::optional<std::pair<float, float>> float_limits(const Grid& grid) {
  const Format* type = format_of(grid.format->storage);
  const bool narrow = type && (grid.qmin != type->code_min || grid.qmax != type->code_max);
  if (!narrow || bits_of(grid.format->storage) != 16 || grid.scale.elements() != 1 || grid.scale.dtype() != DType::f32) return {};
  const int64_t zero = grid.zero.empty() ? 0 : value_as_int(grid.zero, 0);
  const float scale = grid.scale.values<float>()[0];
  const std::pair limits(static_cast<float>(grid.qmin - zero) * scale, static_cast<float>(grid.qmax - zero) * scale);
  if (!std::isfinite(limits.first) || !std::isfinite(limits.second)) return {};
  return limits;
}

bool same_chain(std::span<const Grid> a, std::span<const Grid> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same_grid);
}

std::string note_of(const Entry& entry, const Grid& grid, bool constant) {
  const bool plain = format_of(grid.format->file) == grid.format && (constant || !is_packed(grid.format->file));
  const bool whole = grid.qmin == grid.format->code_min && grid.qmax == grid.format->code_max;
  if (plain && (whole || (!constant && !float_limits(grid))) && entry.tied == 0) return {};
  return str(grid.format->name, " ", grid.qmin, " ", grid.qmax, " tied ", entry.tied);
}

std::optional<QuantizationNote> read_note(const std::string& text) {
  const auto words = split(text, ' ');
  if (words.size() != 5 || words[3] != "tied") return {};
  QuantizationNote note;
  note.format = find_format(words[0]);
  note.qmin = static_cast<int32_t>(std::atoll(words[1].c_str()));
  note.qmax = static_cast<int32_t>(std::atoll(words[2].c_str()));
  note.tied = static_cast<GroupId>(std::strtoul(words[4].c_str(), nullptr, 10));
  const bool fits = note.format && note.qmin <= note.qmax && note.qmin >= note.format->code_min &&
                    note.qmax <= note.format->code_max;
  return fits ? std::optional(note) : std::nullopt;
}

namespace {

bool within(const Tensor& codes, int32_t low, int32_t high) {
  const auto all = [&]<class T>(std::span<const T> values) {
    return std::all_of(values.begin(), values.end(), [&](T q) { return q >= low && q <= high; });
  };
  if (codes.dtype() == DType::i8) return all(codes.values<int8_t>());
  if (codes.dtype() == DType::u8) return all(codes.values<uint8_t>());
  for (int64_t i = 0; i < codes.elements(); ++i)
    if (const int64_t q = value_as_int(codes, i); q < low || q > high) return false;
  return true;
}

}  // namespace

void apply_note(const Metadata& metadata, const std::string& dq, Grid& grid, const Tensor* codes, GroupId& tied) {
  const auto at = metadata.find(kNoteKey + dq);
  if (at == metadata.end() || dq.empty()) return;
  const auto note = read_note(at->second);
  const DType file = note ? codes ? note->format->file : note->format->storage : DType::none;
  if (!note || file != grid.format->file || (codes && !within(*codes, note->qmin, note->qmax))) return;
  if (!codes && (note->qmin != grid.qmin || note->qmax != grid.qmax)) return;
  grid.format = note->format, grid.qmin = note->qmin, grid.qmax = note->qmax, tied = note->tied;
}

Tensor derived_bias_scale(const Model& model, const Uses& uses, const Node& node) {
  const Op* op = find_op(node.domain, node.op);
  if (!op || op->quant.weight_input < 0 || op->quant.data_inputs.empty()) return {};
  const uint16_t data = op->quant.data_inputs[0], weight = static_cast<uint16_t>(op->quant.weight_input);
  const Entry* x = model.quantization.find({node.id, Side::input, data});
  const SiteOf made = producer_site(model.graph, uses, node.input(data));
  if (!x && made.found) x = model.quantization.find(made.site);
  const Entry* w = model.quantization.find({node.id, Side::input, weight});
  if (!x || !w || x->chain.empty() || w->chain.empty()) return {};
  const Grid &gx = x->chain.back(), &gw = w->chain.back();
  if (gx.scale.elements() != 1 || gx.scale.dtype() != DType::f32 || gw.scale.dtype() != DType::f32 ||
      gw.layout.kind == Layout::block)
    return {};
  Tensor scale(DType::f32, gw.scale.shape());
  for (size_t i = 0; i < static_cast<size_t>(scale.elements()); ++i)
    scale.values<float>()[i] = gx.scale.values<float>()[0] * gw.scale.values<float>()[i];
  return scale;
}

}  // namespace bitwright
