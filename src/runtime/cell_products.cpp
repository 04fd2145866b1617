#include "runtime/cell_products.hpp"

#include "runtime/dynamic.hpp"

namespace bitwright {
namespace {

/// Memory of the calling thread for rows as codes; valid until its next call.
struct Codes {
  std::vector<uint8_t> codes;
  std::vector<float> scale;
  std::vector<int32_t> zero;
};

RowCodes quantized(const DynamicProducts& products, const float* x, int64_t rows, int64_t length) {
  thread_local Codes made;
  made.codes.resize(static_cast<size_t>(rows * length));
  made.scale.resize(static_cast<size_t>(rows));
  made.zero.resize(static_cast<size_t>(rows));
  products.to_codes(x, rows, length, made.codes.data(), made.scale.data(), made.zero.data());
  return {made.codes.data(), made.scale.data(), made.zero.data(), rows > 1};
}

/// Gates that one step multiplies by the hidden state together: all, but GRU's last one sees it after the reset.
std::vector<int64_t> gates_of_parts(const Node& node, int64_t gates) {
  if (node.is("GRU")) return {2, 1};
  return {gates};
}

/// Columns [first, first + n) of one direction.
CellProduct make_product(const CellCodes& w, int64_t direction, int64_t first, int64_t n, Isa isa) {
  const int64_t k = w.codes.dim(2);
  const WeightCodes codes{w.codes, (direction * w.codes.dim(1) + first) * k, 1, k, {}, {}};
  CellProduct p{{codes, k, n, kDynamicCodes, DType::u8, DType::f32, {isa, {}}}, {}};
  for (int64_t c = 0; c < n; ++c) p.scale.push_back(w.scale(direction, first + c));
  p.scale.resize(p.scale.size() + 64);
  return p;
}

}  // namespace

MatMulArgs CellProduct::args(const RowCodes& x, int64_t rows, float* y, const float* bias) const {
  MatMulArgs args = weights.args(rows);
  args.a = x.codes;
  args.row_zero = x.per_row ? x.zero : nullptr;
  args.a_zero = x.per_row ? 0 : x.zero[0];
  args.out = {.type = DType::f32, .data = y, .stride = weights.n()};
  args.out.dequantize = {scale.data(), x.scale, x.per_row ? 1 : 0, bias};
  return args;
}

void DynamicProducts::input(int64_t direction, const float* x, int64_t rows, float* y) const {
  if (rows == 0) return;
  const CellProduct& product = input_products[static_cast<size_t>(direction)];
  const RowCodes codes = per_row ? quantized(*this, x, rows, inputs) : quantized(*this, x, 1, rows * inputs);
  product.weights.row().kernel(product.args(codes, rows, y), 0, rows);
}

void DynamicProducts::recurrent(int64_t direction, int64_t first, int64_t count, const float* h, float* y) const {
  const CellProduct& product = recurrent_products[static_cast<size_t>(direction * parts + (first > 0))];
  BW_CHECK(product.weights.n() == count * hidden);
  thread_local std::vector<float> sums;
  sums.resize(static_cast<size_t>(count * hidden));
  product.weights.row().kernel(product.args(quantized(*this, h, 1, hidden), 1, sums.data()), 0, 1);
  for (size_t i = 0; i < sums.size(); ++i) y[i] += sums[i];
}

void DynamicProducts::keep_in(KeptMemory& memory) {
  for (auto* products : {&input_products, &recurrent_products})
    for (CellProduct& product : *products) {
      product.weights.keep_in(memory);
      product.weights.forget_reach();
    }
}

void DynamicProducts::to_codes(const float* x, int64_t rows, int64_t length, uint8_t* codes, float* scale, int32_t* zero) const {
  for (int64_t r = 0; r < rows; ++r) {
    float lo = 0, hi = 0;
    range({x + r * length, &lo, &hi}, 0, length);
    const Affine q = dynamic_codes(lo, hi);
    quantize({x + r * length, codes + r * length, DType::u8, q, 0, 255}, 0, length);
    scale[r] = q.scale, zero[r] = q.zero;
  }
}

float CellCodes::scale(int64_t direction, int64_t column) const {
  const Layout& layout = grid->layout;
  int64_t at = layout.kind == Layout::tensor ? 0 : layout.axis == 0 ? direction : column;
  if (layout.kind == Layout::block) at = direction * codes.dim(1) + column;
  return static_cast<float>(value_as_double(grid->scale, at));
}

std::string read_cell_codes(const Lowering& lowering, const Node& node, size_t input, CellCodes& read) {
  const Entry* entry = lowering.input_entry(node, input);
  if (!entry || entry->codes.empty()) return str("the weights at input ", input, " are float");
  if (entry->chain.size() != 1 || entry->codes.dtype() != DType::i8) return str("the weights at input ", input, " are not int8");
  read.codes = entry->codes;
  read.grid = &entry->chain[0];
  const Layout& layout = read.grid->layout;
  const bool one_block = layout.kind == Layout::block && layout.axis == 2 && layout.block_size >= read.codes.dim(2);
  if (layout.kind == Layout::block ? !one_block : layout.kind == Layout::channel && layout.axis != 0 && layout.axis != 1)
    return "scales per block or per input";
  for (int64_t i = 0; i < read.grid->zero.elements(); ++i)
    if (value_as_double(read.grid->zero, i) != 0) return "its weights have a zero point";
  return {};
}

std::shared_ptr<const DynamicProducts> cell_products(Lowering& lowering, const Node& node, const CellCodes& w, const CellCodes& r,
                                                     bool per_row) {
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  const int64_t directions = r.codes.dim(0), columns = r.codes.dim(1);
  return lowering.shared(node, "products", [&] {
    DynamicProducts made;
    made.inputs = w.codes.dim(2), made.hidden = r.codes.dim(2);
    made.per_row = per_row;
    const std::vector<int64_t> parts = gates_of_parts(node, columns / made.hidden);
    made.parts = std::ssize(parts);
    for (int64_t d = 0; d < directions; ++d) {
      made.input_products.push_back(make_product(w, d, 0, columns, isa));
      int64_t first = 0;
      for (const int64_t gates : parts) {
        made.recurrent_products.push_back(make_product(r, d, first, gates * made.hidden, isa));
        first += gates * made.hidden;
      }
    }
    made.range = select_elementwise(elementwise_kernels().range, true, isa).row->kernel;
    made.quantize = select_elementwise(elementwise_kernels().quantize, true, isa).row->kernel;
    return made;
  });
}

}  // namespace bitwright
