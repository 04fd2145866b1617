// Add and Mul of two quantized tensors in one pass over codes: of one shape, with a single number, with a row that repeats
// (a bias, [T, H] + [H]) or with one number per channel of an image (the gate of squeeze and excite). Profile `ort`
// computes 8-bit codes as ONNX Runtime does (docs Q15). Other profiles, wider codes and other broadcasts form real values
// in float, combine and round them.
#include <cstring>
#include <numeric>

#include "runtime/followers.hpp"

namespace bitwright {
namespace {

/// How the smaller operand is read. The result is `blocks` times `rows` times `length` elements; in block b every row reads
/// the operand's elements from (b % distinct) * length on.
struct Repeat {
  int64_t blocks = 1, rows = 1, length = 0, distinct = 1;
};

class BinaryStep : public Step {
 public:
  BinaryArgs args;
  ElementwiseKernel<BinaryArgs> kernel = nullptr;
  std::optional<Repeat> repeat;  // of operand `repeated`
  size_t repeated = 1;
  ElementwiseKernel<RowMulArgs> row_mul = nullptr;  // by profile `ort` with a row that repeats

  void run(StepContext& context) const override {
    BinaryArgs mine = args;
    mine.a = context.at(reads[0]).raw();
    mine.b = context.at(reads[1]).raw();
    Tensor& dst = context.at(writes[0]);
    mine.dst = dst.raw();
    if (row_mul) {
      run_row_mul(context, mine);
    } else if (repeat) {
      run_rows(context, mine);
    } else {
      context.spread(dst.elements(), kLeast, [&](int64_t begin, int64_t end, std::byte*) { kernel(mine, begin, end); });
    }
  }

  /// Short rows are repeated in scratch memory, so that one call has something to do.
  int64_t rows_together() const { return std::clamp<int64_t>(kTogether / std::max<int64_t>(1, repeat->length), 1, repeat->rows); }
  int64_t scratch_needed() const {
    return repeat->length * (row_mul ? factor_rows() * 2 * static_cast<int64_t>(sizeof(float)) : rows_together() * size_of(repeated));
  }

 private:
  static constexpr int64_t kLeast = 1 << 13, kTogether = 1 << 11;

  int64_t size_of(size_t operand) const { return bits_of(operand == 0 ? args.a_type : args.b_type) / 8; }

  void run_rows(StepContext& context, const BinaryArgs& whole) const {
    const int64_t together = rows_together(), groups = (repeat->rows + together - 1) / together;
    const int64_t least = std::max<int64_t>(1, kLeast / std::max<int64_t>(1, together * repeat->length));
    context.spread(repeat->blocks * groups, least, [&](int64_t begin, int64_t end, std::byte* scratch) {
      for (int64_t held = -1; begin < end; ++begin) {
        const int64_t block = begin / groups, row = begin % groups * together;
        if (held != block) fill(held = block, whole, scratch);
        run_group(whole, block * repeat->rows + row, std::min(together, repeat->rows - row), scratch);
      }
    });
  }

  void run_row_mul(StepContext& context, const BinaryArgs& whole) const {
    const int64_t length = repeat->length;
    const auto* rows = static_cast<const uint8_t*>(repeated == 0 ? whole.a : whole.b);
    BinaryArgs mul = whole;
    if (repeated == 0) std::swap(mul.qa, mul.qb);
    RowMulArgs all{static_cast<const uint8_t*>(repeated == 0 ? whole.b : whole.a), static_cast<uint8_t*>(whole.dst), length};
    all.k = mul.k, all.zero = static_cast<float>(mul.qy.zero);
    all.lo = static_cast<float>(mul.lo), all.hi = static_cast<float>(mul.hi);
    const int64_t least = std::max<int64_t>(8, kLeast / length), together = factor_rows();
    context.spread(repeat->blocks * repeat->rows, least, [&](int64_t begin, int64_t end, std::byte* scratch) {
      auto* factor = reinterpret_cast<float*>(scratch);
      float* shift = factor + together * length;
      for (int64_t last = begin; begin < end; begin = last) {
        const int64_t block = begin / repeat->rows;
        last = std::min(end, (block + 1) * repeat->rows);
        for (int64_t i = 0; i < together * length; i += length)
          set_row_mul(mul, rows + block % repeat->distinct * length, length, factor + i, shift + i);
        RowMulArgs part = all;
        part.src += begin * length, part.dst += begin * length;
        part.factor = factor, part.shift = shift;
        const int64_t whole_rows = (last - begin) / together * together;
        part.columns = together * length;
        row_mul(part, 0, whole_rows / together);
        part.columns = length;
        row_mul(part, whole_rows, last - begin);
      }
    });
  }
  /// Rows whose columns together fill vectors of 64.
  int64_t factor_rows() const {
    const int64_t rows = 64 / std::gcd(repeat->length, int64_t{64});
    return rows * repeat->length <= kTogether ? rows : 1;
  }

  void fill(int64_t block, const BinaryArgs& whole, std::byte* scratch) const {
    const int64_t bytes = repeat->length * size_of(repeated);
    const auto* from = static_cast<const std::byte*>(repeated == 0 ? whole.a : whole.b) + block % repeat->distinct * bytes;
    for (int64_t i = 0; i < rows_together(); ++i) std::memcpy(scratch + i * bytes, from, static_cast<size_t>(bytes));
  }

  void run_group(BinaryArgs part, int64_t row, int64_t rows, const std::byte* scratch) const {
    const int64_t first = row * repeat->length;
    const auto advanced = [&](const void* p, size_t operand) -> const void* {
      return operand == repeated ? scratch : static_cast<const std::byte*>(p) + first * size_of(operand);
    };
    part.a = advanced(part.a, 0);
    part.b = advanced(part.b, 1);
    part.dst = static_cast<std::byte*>(part.dst) + first * (bits_of(args.dst_type) / 8);
    kernel(part, 0, rows * repeat->length);
  }
};

Affine affine(const EngineGrid& grid) { return {grid.scale, grid.zero}; }

/// [H] of [T, H]: the whole operand again and again, but for leading ones the last dimensions of the result.
std::optional<Repeat> repeated_rows(const Shape& small, const Shape& shape) {
  const auto from = std::find_if(small.begin(), small.end(), [](int64_t extent) { return extent != 1; });
  const std::span<const int64_t> row(from, small.end()), whole(shape);
  if (row.empty() || row.size() > whole.size() || elements_of(row) == 0) return {};
  const auto rows = whole.first(whole.size() - row.size());
  if (!std::equal(row.begin(), row.end(), whole.end() - (small.end() - from))) return {};
  return Repeat{1, elements_of(rows), elements_of(row), 1};
}

/// [N, C, 1, 1] or [C, 1, 1] of [N, C, H, W]: one number for all of a plane; channels last one row of C for all pixels.
std::optional<Repeat> repeated_planes(Shape small, const Shape& shape, Order order) {
  if (small.size() > shape.size()) return {};
  small.insert(small.begin(), shape.size() - small.size(), 1);
  const size_t axis = order == Order::channels_last ? 2 : static_cast<size_t>(
      std::find_if(small.rbegin(), small.rend(), [](int64_t extent) { return extent != 1; }).base() - small.begin());
  const std::span<const int64_t> whole(shape), kept(small.data(), axis);
  const auto differs = std::mismatch(kept.rbegin(), kept.rend(), whole.first(axis).rbegin()).first;
  if (axis == 0 || !std::all_of(small.begin() + static_cast<int64_t>(axis), small.end(), [](int64_t e) { return e == 1; })) return {};
  if (!std::all_of(differs, kept.rend(), [](int64_t extent) { return extent == 1; })) return {};
  const int64_t plane = elements_of(whole.subspan(axis)), outer = elements_of(whole.first(axis)), elements = elements_of(small);
  if (order == Order::plain) return Repeat{outer, plane, 1, elements};
  if (small[1] != shape[1]) return {};
  return Repeat{shape[0], plane, shape[1], small[0]};
}

/// Which operand is read first, in which layout, and how the smaller one repeats.
struct Arrangement {
  size_t first = 0;
  Order order = Order::plain;
  std::optional<Repeat> repeat;
  bool single = false;  // the second is one number
};

std::variant<Arrangement, std::string> arrange(Lowering& lowering, const Node& node) {
  const Shape& shape = lowering.known(node.output())->shape();
  const auto shape_of = [&](size_t i) -> const Shape& { return lowering.known(node.input(i))->shape(); };
  const auto last = [&](size_t i) { return shape.size() >= 3 && lowering.prefers_channels_last(node, i); };
  if (shape_of(0) == shape && shape_of(1) == shape)
    return Arrangement{0, last(0) || last(1) ? Order::channels_last : Order::plain, {}, false};
  const size_t full = shape_of(0) == shape ? 0 : 1, small = 1 - full;
  if (shape_of(full) == shape && elements_of(shape) > 0) {
    const Order order = last(full) ? Order::channels_last : Order::plain;
    if (elements_of(shape_of(small)) == 1) return Arrangement{full, order, {}, true};
    if (const auto repeat = repeated_planes(shape_of(small), shape, order)) return Arrangement{full, order, repeat, false};
    if (const auto repeat = repeated_rows(shape_of(small), shape)) return Arrangement{0, Order::plain, repeat, false};
  }
  return str("broadcasts ", to_string(shape_of(0)), " and ", to_string(shape_of(1)));
}

Reason lower_binary(Lowering& lowering, const Node& node) {
  for (size_t i = 0; i < 2; ++i)
    if (!lowering.input_grid(node, i)) return str("input ", i, " is float");
  const auto arranged = arrange(lowering, node);
  if (const auto* reason = std::get_if<std::string>(&arranged)) return *reason;
  const Arrangement& how = std::get<Arrangement>(arranged);
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  const auto qy = lowering.output_grid(tail.value);
  if (!qy) return "its result is float";
  const Shape& shape = lowering.known(node.output())->shape();
  const int64_t count = elements_of(shape);
  const size_t first = how.first, second = 1 - first;

  auto step = std::make_unique<BinaryStep>();
  const BinaryOfCodes binary = binary_of_codes(lowering, node, first, tail);
  step->args = binary.args;
  step->args.b_step = how.single && count != 1 ? 0 : 1;
  step->repeat = how.repeat;
  step->repeated = lowering.known(node.input(first))->shape() == shape ? 1 : 0;
  const auto row_mul = select_elementwise(elementwise_kernels().row_mul, true, lowering.options().isa);
  const bool exact_mul = node.is("Mul") && binary.as_onnxruntime && !lowering.simulated();
  if (step->repeat && step->repeat->length >= 16 && exact_mul && row_mul.row->isa != Isa::ref) step->row_mul = row_mul.row->kernel;
  if (step->repeat) step->scratch_bytes = step->scratch_needed();
  step->kernel = binary.row->kernel;
  step->info.node = node.id;
  step->info.name = display_name(node) + tail.names;
  step->info.kernel = step->row_mul ? row_mul.row->name : binary.row->name;
  // Where the larger operand lies channels last, the smaller lies alike in both orders: only its channels are more than 1.
  const auto read = [&](size_t i) {
    if (how.order == Order::plain || lowering.known(node.input(i))->shape() == shape) return lowering.codes(node, i, how.order);
    return lowering.codes(node, i, lowering.prefers_channels_last(node, i) ? Order::channels_last : Order::plain);
  };
  step->reads = {read(first), read(second)};
  if (!step->repeat && !how.single) step->in_place = {0, 1};
  const BufferId out = lowering.make(qy->type, how.order == Order::channels_last ? channels_last_shape(shape) : shape);
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.absorb(tail);
  lowering.define_codes(tail.value, out, how.order);
  return {};
}

const LoweringRule kRules[] = {{"Add", lower_binary}, {"Mul", lower_binary}};

}  // namespace

BinaryOfCodes binary_of_codes(const Lowering& lowering, const Node& node, size_t first, const Lowering::Tail& tail) {
  const auto qa = *lowering.input_grid(node, first), qb = *lowering.input_grid(node, 1 - first);
  const auto qy = *lowering.output_grid(tail.value);
  BinaryOfCodes made;
  BinaryArgs& args = made.args;
  args.qa = affine(qa), args.qb = affine(qb), args.qy = affine(qy);
  args.a_type = qa.type, args.b_type = qb.type, args.dst_type = qy.type;
  args.lo = std::max(qy.lo, qy.code(tail.lo));
  args.hi = std::min(qy.hi, qy.code(tail.hi));
  const bool u8 = qa.type == DType::u8 && qb.type == DType::u8 && qy.type == DType::u8, add = node.is("Add");
  const bool as_onnxruntime = made.as_onnxruntime = u8 && lowering.table().profile == Profile::ort;
  if (as_onnxruntime) (add ? set_add : set_mul)(args);
  const ElementwiseTable& table = elementwise_kernels();
  const auto& rows = as_onnxruntime ? (add ? table.add : table.mul) : add ? table.add_float : table.mul_float;
  made.row = select_elementwise(rows, u8, lowering.simulated() ? Isa::ref : lowering.options().isa).row;
  return made;
}

std::span<const LoweringRule> lowerings_binary() { return kRules; }

}  // namespace bitwright
