// One scale per row at run time. ONNX has no operator for it, so ordinary ones compute scale, zero point and codes, with
// exactly the arithmetic of DynamicQuantizeLinear, and the product is corrected by the row's zero point:
//
//     sum((q - z) * (w - wz)) = MatMulInteger(q, w, 0, wz) - z * sum(w - wz)
#include <algorithm>
#include <set>

#include "passes/pattern.hpp"
#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

const Pattern& row_codes() {
  static const Pattern pattern(R"(graph "row_codes" {
  input x
  const last: i64[1] = {-1}
  const none: f32[] = {0}
  const one: f32[] = {1}
  const most: f32[] = {255}
  least = ReduceMin(x, last) keepdims=1
  greatest = ReduceMax(x, last) keepdims=1
  low = Min(least, none)
  high = Max(greatest, none)
  range = Sub(high, low)
  flat = Equal(range, none)
  step = Div(range, most)
  scale: f32 = Where(flat, one, step)
  start = Div(low, scale)
  shift = Neg(start)
  near_zero = Round(shift)
  zero: f32 = Clip(near_zero, none, most)
  steps = Div(x, scale)
  near = Round(steps)
  shifted = Add(near, zero)
  inside = Clip(shifted, none, most)
  quantized: u8 = Cast(inside) to=2
  output quantized
  output scale
  output zero
})");
  return pattern;
}

const Pattern& row_product() {
  static const Pattern pattern(R"(graph "row_product" {
  input quantized: u8
  input scale: f32
  input zero: f32
  input w
  input w_zero
  input w_sum: i32
  input w_scale: f32
  const no_zero: u8[] = {0}
  raw: i32 = MatMulInteger(quantized, w, no_zero, w_zero) @"product"
  int_zero: i32 = Cast(zero) to=6
  correction: i32 = Mul(int_zero, w_sum)
  sums: i32 = Sub(raw, correction)
  real: f32 = Cast(sums) to=1
  scales: f32 = Mul(scale, w_scale)
  y = Mul(real, scales)
  output y
})");
  return pattern;
}

const Pattern& row_values() {
  static const Pattern pattern(R"(graph "row_values" {
  input quantized: u8
  input scale: f32
  input zero: f32
  codes: f32 = Cast(quantized) to=1
  centred: f32 = Sub(codes, zero)
  y = Mul(centred, scale)
  output y
})");
  return pattern;
}

Entry row_entry() {
  const Format& uint8 = format_named("uint8");
  return {When::at_run, true, {Grid{&uint8, uint8.code_min, uint8.code_max, {}, {}, {}, {}}}, {}, 0};
}

/// sum over the rows of w - w_zero, per column.
Tensor column_sums(const Tensor& w, const std::vector<int64_t>& zeros) {
  const int64_t columns = w.dim(-1);
  std::vector<int64_t> sums(static_cast<size_t>(columns));
  for (int64_t i = 0; i < w.elements(); ++i)
    sums[static_cast<size_t>(i % columns)] += value_as_int(w, i) - zeros[zeros.size() == 1 ? 0 : static_cast<size_t>(i % columns)];
  Tensor result(DType::i32, {columns});
  for (size_t c = 0; c < sums.size(); ++c) result.values<int32_t>()[c] = static_cast<int32_t>(sums[c]);
  return result;
}

/// What the product of rows reads: x and constants that fit each other; nothing otherwise.
struct RowMatch {
  ValueId x, codes;
  Grid grid;
};
std::optional<RowMatch> match_product(Rewriter& r, ValueId y) {
  const auto product = row_product().match(r, {y});
  if (!product) return {};
  const auto& p = *product;
  const auto rows = row_codes().match(r, {p[0], p[1], p[2]});
  const Tensor *w = r.graph().constant(p[3]), *zero = r.graph().constant(p[4]), *sum = r.graph().constant(p[5]);
  const Tensor* scale = r.graph().constant(p[6]);
  const Format* format = w ? format_of(w->dtype()) : nullptr;
  if (!rows || !zero || !sum || !scale || !format || !format->is_integer || w->rank() != 2 || zero->dtype() != w->dtype() ||
      scale->dtype() != DType::f32)
    return {};
  Grid grid{format, format->code_min, format->code_max, {}, *scale, *zero, {}};
  const int64_t columns = w->dim(1);
  if (scale->rank() == 1) grid.layout = {Layout::channel, 1, 0};
  const bool fits = (scale->rank() == 1 ? scale->elements() == columns : scale->elements() == 1) &&
                    zero->elements() == scale->elements() && sum->elements() == columns;
  if (!fits || !identical(sum->reshaped({columns}), column_sums(*w, values_as_int(*zero)))) return {};
  return RowMatch{(*rows)[0], p[3], grid};
}

bool lift_product(Rewriter& r, const Metadata& metadata, const Node& last, const std::string& name, NodeId integer) {
  const ValueId y = last.output();
  auto match = match_product(r, y);
  if (!match) return false;
  const Tensor codes = *r.graph().constant(match->codes);
  const auto zeros = values_as_int(match->grid.zero);
  if (std::count(zeros.begin(), zeros.end(), 0) == match->grid.zero.elements()) match->grid.zero = Tensor();
  try {
    verify(match->grid, codes.shape());
  } catch (const Error&) {
    return false;
  }
  const std::string w_name = name_of_real(r.graph().value(match->codes).name);
  GroupId tied = 0;
  apply_note(metadata, w_name + "_DequantizeLinear", match->grid, &codes, tied);
  const ValueId w = r.add_constant(w_name, dequantize_later(codes, match->grid));
  r.erase(last.id);
  r.erase(integer);
  Node& made = r.add("MatMul", {match->x, w}, {y}, name);
  r.quantization().at[{made.id, Side::input, 0}] = row_entry();
  r.quantization().at[{made.id, Side::input, 1}] = {When::statically, false, {match->grid}, codes, tied};
  return true;
}

/// The Mul at the end of Sub, Cast, Mul behind an integer product.
const Node* end_of_product(Rewriter& r, const Node& integer) {
  const Node* at = &integer;
  for (const char* op : {"Sub", "Cast", "Mul"}) {
    at = r.single_reader(at->output());
    if (!at || !at->is(op)) return nullptr;
  }
  return at;
}

/// Floats on run-time grids: their readers get entries.
void lift_values(Rewriter& r, const Node& last) {
  const ValueId y = last.output();
  const auto values = row_values().match(r, {y});
  if (!values) return;
  const auto rows = row_codes().match(r, {(*values)[0], (*values)[1], (*values)[2]});
  if (!rows) return;
  const std::vector<Use> readers = r.readers(y);
  for (const Use& use : readers)
    if (use.nested || use.node == NodeId::none) return;
  for (const Use& use : readers) {
    r.set_input(*r.node(use.node), use.index, (*rows)[0]);
    r.quantization().at[{use.node, Side::input, use.index}] = row_entry();
  }
}

std::set<NodeId> unread_nodes(Rewriter& r) {
  std::set<NodeId> unread;
  for (const NodeId id : r.nodes()) {
    const auto& outputs = r.node(id)->outputs;
    if (std::all_of(outputs.begin(), outputs.end(), [&](ValueId v) { return r.readers(v).empty(); })) unread.insert(id);
  }
  return unread;
}

/// Erases what computed codes that are in the table now: nodes that nobody reads any more and that are not among `kept`.
void drop_orphans(Rewriter& r, const std::set<NodeId>& kept) {
  for (bool again = true; again;) {
    again = false;
    r.commit();
    for (const NodeId id : unread_nodes(r))
      if (!kept.count(id)) r.erase(id), again = true;
  }
}

}  // namespace

void lift_dynamic_rows(Rewriter& r, const Metadata& metadata) {
  const std::set<NodeId> unread = unread_nodes(r);
  bool found = false;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (!node) continue;
    if (node->is("MatMulInteger")) {
      const Node* last = end_of_product(r, *node);
      if (last) found = lift_product(r, metadata, Node(*last), node->name, id) || found;
    } else if (node->is("Mul") && r.producer(node->input(0)) && r.producer(node->input(0))->is("Sub")) {
      const size_t before = r.quantization().at.size();
      lift_values(r, Node(*node));
      found = found || r.quantization().at.size() != before;
    }
  }
  if (found) drop_orphans(r, unread);
}

DynamicCodes write_row_codes(Rewriter& r, ValueId x, const std::string& stem) {
  const auto made = row_codes().write(r, {x}, stem);
  return {made[0], made[1], made[2]};
}

void write_row_product(Rewriter& r, const DynamicCodes& x, const IntegerWeights& w, const std::string& stem, ValueId y) {
  Tensor zero = w.grid.zero;
  if (zero.empty()) {
    const std::vector<int32_t> zeros(static_cast<size_t>(w.grid.scale.elements()));
    zero = zero_tensor(*w.grid.format, w.grid.scale.shape(), zeros);
  }
  const Tensor& codes = *r.graph().constant(w.codes);
  const Tensor sums = column_sums(codes, values_as_int(zero));
  const std::vector<ValueId> inputs = {x.codes, x.scale, x.zero, w.codes, r.add_constant(stem + "_w_zero_point", zero),
                                       r.add_constant(stem + "_w_sum", sums), r.add_constant(stem + "_w_scale", w.grid.scale)};
  row_product().write(r, inputs, stem, {y});
}

ValueId write_row_values(Rewriter& r, const DynamicCodes& x, const std::string& stem) {
  return row_values().write(r, {x.codes, x.scale, x.zero}, stem + "_dequantized")[0];
}

}  // namespace bitwright
