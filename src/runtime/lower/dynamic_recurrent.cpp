// LSTM, GRU and RNN with weights as codes: the input is quantized once for all steps, with one range for all of it or one for
// each step of each sequence (per row), the hidden state at every step of each sequence; gates are computed in float.
#include "kernels/elementwise/select.hpp"
#include "ops/recurrent.hpp"
#include "runtime/dynamic.hpp"
#include "runtime/linear.hpp"

namespace bitwright {
namespace {

/// Rows of activations as codes, and what they mean: one scale and zero point for all, or one per row.
struct Quantized {
  std::vector<uint8_t> codes;
  std::vector<float> scale;
  std::vector<int32_t> zero;

  int64_t parameters() const { return std::ssize(scale); }
};

/// Part of a weight matrix, [k, n], with a scale per column.
struct Product {
  MatMulWeights weights;
  std::vector<float> scale;  // with 64 to spare

  /// y[rows, n] = x[rows, k] * weights.
  void run(const Quantized& x, int64_t rows, float* y) const {
    const bool per_row = x.parameters() > 1;
    MatMulArgs args = weights.args(rows);
    args.a = x.codes.data();
    args.row_zero = per_row ? x.zero.data() : nullptr;
    args.a_zero = per_row ? 0 : x.zero[0];
    args.out = {.type = DType::f32, .data = y, .stride = weights.n()};
    args.out.dequantize = {scale.data(), x.scale.data(), per_row ? 1 : 0, nullptr};
    weights.row().kernel(args, 0, rows);
  }
};

class DynamicProducts : public CellProducts {
 public:
  int64_t inputs = 0, hidden = 0, parts = 1;
  bool per_row = false;
  std::vector<Product> input_products;      // per direction
  std::vector<Product> recurrent_products;  // per direction and part: the gates that a step computes together
  ElementwiseKernel<RangeArgs> range = nullptr;
  ElementwiseKernel<QuantizeArgs> quantize = nullptr;

  void input(int64_t direction, const float* x, int64_t rows, float* y) const override {
    if (rows == 0) return;
    const auto& product = input_products[static_cast<size_t>(direction)];
    product.run(per_row ? quantized(x, rows, inputs) : quantized(x, 1, rows * inputs), rows, y);
  }
  void recurrent(int64_t direction, int64_t first, int64_t count, const float* h, float* y) const override {
    const Product& product = recurrent_products[static_cast<size_t>(direction * parts + (first > 0))];
    BW_CHECK(product.weights.n() == count * hidden);
    thread_local std::vector<float> sums;
    sums.resize(static_cast<size_t>(count * hidden));
    product.run(quantized(h, 1, hidden), 1, sums.data());
    for (size_t i = 0; i < sums.size(); ++i) y[i] += sums[i];
  }

 private:
  /// A range for each row of x; valid until the thread's next call.
  const Quantized& quantized(const float* x, int64_t rows, int64_t length) const {
    thread_local Quantized made;
    made.codes.resize(static_cast<size_t>(rows * length));
    made.scale.resize(static_cast<size_t>(rows));
    made.zero.resize(static_cast<size_t>(rows));
    for (int64_t r = 0; r < rows; ++r) {
      float lo = 0, hi = 0;
      range({x + r * length, &lo, &hi}, 0, length);
      const Affine q = dynamic_codes(lo, hi);
      quantize({x + r * length, made.codes.data() + r * length, DType::u8, q, 0, 255}, 0, length);
      made.scale[static_cast<size_t>(r)] = q.scale, made.zero[static_cast<size_t>(r)] = q.zero;
    }
    return made;
  }
};

/// Gates that one step multiplies by the hidden state together: all, but GRU's last one sees it after the reset.
std::vector<int64_t> gates_of_parts(const Node& node, int64_t gates) {
  if (node.is("GRU")) return {2, 1};
  return {gates};
}

/// Codes [directions, columns, k] and their scale for (direction, column).
struct Codes {
  Tensor codes;
  const Grid* grid = nullptr;

  float scale(int64_t direction, int64_t column) const {
    const Layout& layout = grid->layout;
    int64_t at = layout.kind == Layout::tensor ? 0 : layout.axis == 0 ? direction : column;
    if (layout.kind == Layout::block) at = direction * codes.dim(1) + column;
    return static_cast<float>(value_as_double(grid->scale, at));
  }
};

std::string read_codes(const Lowering& lowering, const Node& node, size_t input, Codes& read) {
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

/// Columns [first, first + n) of one direction.
Product make_product(const Codes& w, int64_t direction, int64_t first, int64_t n, Isa isa) {
  const int64_t k = w.codes.dim(2);
  const WeightCodes codes{w.codes, (direction * w.codes.dim(1) + first) * k, 1, k, {}, {}};
  Product p{{codes, k, n, kDynamicCodes, DType::u8, DType::f32, isa}, {}};
  for (int64_t c = 0; c < n; ++c) p.scale.push_back(w.scale(direction, first + c));
  p.scale.resize(p.scale.size() + 64);
  return p;
}

Reason lower_recurrent(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!entry || entry->when != When::at_run) return "";
  Codes w, r;
  if (std::string reason = read_codes(lowering, node, 1, w); !reason.empty()) return reason;
  if (std::string reason = read_codes(lowering, node, 2, r); !reason.empty()) return reason;
  if (w.codes.dim(2) > (int64_t{1} << 16) || r.codes.dim(2) > (int64_t{1} << 16)) return "its sums may not fit int32";
  const Tensor& x = *lowering.known(node.input(0));
  if (x.dtype() != DType::f32) return "its input is not float32";
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  const int64_t directions = r.codes.dim(0), columns = r.codes.dim(1);
  const auto products = lowering.shared(node, "products", [&] {
    DynamicProducts made;
    made.inputs = w.codes.dim(2), made.hidden = r.codes.dim(2);
    made.per_row = entry->per_row;
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

  std::vector<BufferId> inputs, outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i == 1 || i == 2) {  // only their shapes are read
      inputs.push_back(lowering.make_constant(Tensor::described(DType::f32, (i == 1 ? w : r).codes.shape())));
    } else {
      const bool given = node.inputs[i] != ValueId::none;
      inputs.push_back(!given ? kNoBuffer : i == 0 ? lowering.before_entry(node, i, Order::plain) : lowering.floats(node, i));
    }
  }
  for (const ValueId id : node.outputs) {
    const Tensor* known = id == ValueId::none ? nullptr : lowering.known(id);
    outputs.push_back(known ? lowering.make(DType::f32, known->shape()) : lowering.make_unknown());
  }
  auto step = operator_step(node, inputs, outputs, products);
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str("dynamic int8 ", node.op);
  step->info.integer = true;
  step->info.macs = x.dim(0) * x.dim(1) * directions * columns * (w.codes.dim(2) + r.codes.dim(2));
  step->constant_bytes = static_cast<int64_t>(w.codes.bytes() + r.codes.bytes());
  lowering.add(std::move(step));
  for (size_t i = 0; i < outputs.size(); ++i) lowering.define_raw(node.outputs[i], outputs[i]);
  return {};
}

const LoweringRule kRules[] = {{"LSTM", lower_recurrent}, {"GRU", lower_recurrent}, {"RNN", lower_recurrent}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_recurrent() { return kRules; }

}  // namespace bitwright
