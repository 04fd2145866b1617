// LSTM with weights as codes and the usual activations as a step of our own: products as in "dynamic_recurrent", which is asked
// next, and all gates of a step in one kernel. It allocates nothing.
#include "kernels/recurrent/recurrent.hpp"
#include "runtime/cell_products.hpp"

namespace bitwright {
namespace {

constexpr size_t kBias = 3, kLengths = 4, kInitialH = 5, kInitialC = 6, kPeephole = 7;  // input numbers of LSTM

/// What a sequence needs while it runs, in a worker's scratch memory.
struct Scratch {
  float *sums, *h, *cell, *scale;
  int32_t* zero;
  uint8_t* codes;

  Scratch(std::byte* memory, int64_t hidden) {
    sums = reinterpret_cast<float*>(memory);
    h = sums + 4 * hidden, cell = h + hidden, scale = cell + hidden;
    zero = reinterpret_cast<int32_t*>(scale + 1);
    codes = reinterpret_cast<uint8_t*>(zero + 1);
  }
  static int64_t bytes(int64_t hidden) { return 4 * (6 * hidden + 2) + hidden; }
};

class DynamicLstmStep : public Step {
 public:
  int64_t steps = 0, batch = 0, directions = 1;
  bool reverse_first = false;
  LstmArgs cell;  // hidden, clip, input_forget
  LstmKernel kernel = nullptr;
  std::shared_ptr<const DynamicProducts> products;
  BufferId x = kNoBuffer, bias = kNoBuffer, initial_h = kNoBuffer, initial_c = kNoBuffer, peephole = kNoBuffer;
  BufferId y = kNoBuffer, y_h = kNoBuffer, y_c = kNoBuffer;
  BufferId codes = kNoBuffer, scale = kNoBuffer, zero = kNoBuffer, gates = kNoBuffer;  // of the whole input

  void run(StepContext& context) const override {
    const RowCodes input = quantized_input(context);
    float* pre = floats(context, gates, 0);
    for (int64_t d = 0; d < directions; ++d) {
      const CellProduct& product = products->input_products[static_cast<size_t>(d)];
      product.weights.multiply(context, product.args(input, steps * batch, pre, floats(context, bias, d * 8 * cell.hidden)));
      context.rows(batch, 1, [&](int64_t begin, int64_t end, std::byte* memory) {
        for (int64_t s = begin; s < end; ++s) run_sequence(context, d, s, Scratch(memory, cell.hidden));
      });
    }
  }

 private:
  static float* floats(StepContext& context, BufferId id, int64_t at) {
    return id == kNoBuffer ? nullptr : context.at(id).values<float>().data() + at;
  }

  RowCodes quantized_input(StepContext& context) const {
    const RowCodes made{context.at(codes).values<uint8_t>().data(), floats(context, scale, 0), context.at(zero).values<int32_t>().data(),
                        products->per_row && steps * batch > 1};
    const int64_t rows = products->per_row ? steps * batch : 1, length = steps * batch * products->inputs / std::max<int64_t>(1, rows);
    products->to_codes(floats(context, x, 0), rows, length, context.at(codes).values<uint8_t>().data(), floats(context, scale, 0),
                       context.at(zero).values<int32_t>().data());
    return made;
  }

  void run_sequence(StepContext& context, int64_t d, int64_t s, const Scratch& scratch) const {
    const int64_t n = cell.hidden, state = (d * batch + s) * n;
    const float *h0 = floats(context, initial_h, state), *c0 = floats(context, initial_c, state);
    for (int64_t j = 0; j < n; ++j) scratch.h[j] = h0 ? h0[j] : 0, scratch.cell[j] = c0 ? c0[j] : 0;
    LstmArgs args = cell;
    args.sums = scratch.sums, args.cell = scratch.cell;
    args.recurrent_bias = floats(context, bias, (d * 8 + 4) * n);
    args.peephole = floats(context, peephole, d * 3 * n);
    const CellProduct& product = products->recurrent_products[static_cast<size_t>(d)];
    const float* h = scratch.h;
    const bool backwards = d == 1 || reverse_first;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = backwards ? steps - 1 - i : i;
      products->to_codes(h, 1, n, scratch.codes, scratch.scale, scratch.zero);
      product.weights.row().kernel(product.args({scratch.codes, scratch.scale, scratch.zero, false}, 1, scratch.sums), 0, 1);
      args.inputs = floats(context, gates, (t * batch + s) * 4 * n);
      args.h = y == kNoBuffer ? scratch.h : floats(context, y, ((t * directions + d) * batch + s) * n);
      kernel(args);
      h = args.h;
    }
    if (y_h != kNoBuffer) std::copy_n(h, n, floats(context, y_h, state));
    if (y_c != kNoBuffer) std::copy_n(scratch.cell, n, floats(context, y_c, state));
  }
};

/// Why the cell is none that this step computes; empty: it is.
std::string refusal(Lowering& lowering, const Node& node) {
  if (node.attr_int("layout", 0) != 0) return "its own step takes sequences in time order only";
  if (node.input(kLengths) != ValueId::none) return "its own step takes sequences of one length only";
  static constexpr std::string_view kUsual[] = {"Sigmoid", "Tanh", "Tanh"};
  const auto at = node.attributes.find("activations");
  const auto* names = at == node.attributes.end() ? nullptr : std::get_if<std::vector<std::string>>(&at->second);
  for (size_t i = 0; names && i < names->size(); ++i)
    if ((*names)[i] != kUsual[i % 3]) return "its own step takes the usual activations only";
  for (const size_t i : {kBias, kInitialH, kInitialC, kPeephole})
    if (node.input(i) != ValueId::none && lowering.known(node.input(i))->dtype() != DType::f32) return str("input ", i, " is not float32");
  for (const ValueId id : node.outputs)
    if (id != ValueId::none && !lowering.known(id)) return "its shapes are known at run time only";
  return {};
}

void set_buffers(Lowering& lowering, const Node& node, DynamicLstmStep& step) {
  const auto read = [&](size_t i) {
    if (node.input(i) == ValueId::none) return kNoBuffer;
    step.reads.push_back(lowering.floats(node, i));
    return step.reads.back();
  };
  step.x = lowering.before_entry(node, 0, Order::plain);
  step.reads.push_back(step.x);
  step.bias = read(kBias), step.initial_h = read(kInitialH), step.initial_c = read(kInitialC), step.peephole = read(kPeephole);
  const auto write = [&](DType type, const Shape& shape) {
    step.writes.push_back(lowering.make(type, shape));
    return step.writes.back();
  };
  const auto output = [&](size_t i) {
    const bool wanted = i < node.outputs.size() && node.outputs[i] != ValueId::none;
    return wanted ? write(DType::f32, lowering.known(node.outputs[i])->shape()) : kNoBuffer;
  };
  step.y = output(0), step.y_h = output(1), step.y_c = output(2);
  const int64_t rows = step.steps * step.batch, parameters = step.products->per_row ? std::max<int64_t>(1, rows) : 1;
  step.codes = write(DType::u8, {rows, step.products->inputs});
  step.scale = write(DType::f32, {parameters}), step.zero = write(DType::i32, {parameters});
  step.gates = write(DType::f32, {rows, 4 * step.cell.hidden});
}

Reason lower_lstm(Lowering& lowering, const Node& node) {
  const Entry* entry = lowering.input_entry(node, 0);
  if (!is_at_run(entry)) return "";
  CellCodes w, r;
  for (const size_t i : {size_t{1}, size_t{2}})
    if (!read_cell_codes(lowering, node, i, i == 1 ? w : r).empty()) return "";  // the next rule says so
  const Tensor& x = *lowering.known(node.input(0));
  if (x.dtype() != DType::f32 || w.codes.dim(2) > (int64_t{1} << 16) || r.codes.dim(2) > (int64_t{1} << 16)) return "";
  if (std::string why = refusal(lowering, node); !why.empty()) return why;

  auto step = std::make_unique<DynamicLstmStep>();
  step->steps = x.dim(0), step->batch = x.dim(1), step->directions = r.codes.dim(0);
  step->reverse_first = node.attr_string("direction", "forward") == "reverse";
  step->cell.hidden = r.codes.dim(2);
  step->cell.clip = node.attr_float("clip", 0);
  step->cell.input_forget = node.attr_int("input_forget", 0) != 0;
  step->kernel = select_lstm(lowering.options().isa).kernel;
  step->products = cell_products(lowering, node, w, r, entry->per_row);
  step->scratch_bytes = Scratch::bytes(step->cell.hidden);
  set_buffers(lowering, node, *step);
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = "dynamic int8 LSTM";
  step->info.integer = true;
  step->info.macs = x.dim(0) * x.dim(1) * r.codes.dim(0) * r.codes.dim(1) * (w.codes.dim(2) + r.codes.dim(2));
  step->constant_bytes = static_cast<int64_t>(w.codes.bytes() + r.codes.bytes());
  const DynamicLstmStep& added = lowering.add(std::move(step));
  const BufferId made[] = {added.y, added.y_h, added.y_c};
  for (size_t i = 0; i < node.outputs.size() && i < 3; ++i)
    if (made[i] != kNoBuffer) lowering.define_raw(node.outputs[i], made[i]);
  return {};
}

const LoweringRule kRules[] = {{"LSTM", lower_lstm}};

}  // namespace

std::span<const LoweringRule> lowerings_dynamic_lstm() { return kRules; }

}  // namespace bitwright
