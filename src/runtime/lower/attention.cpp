// Attention as files have it, MatMul, Div or Mul by the scale, Add of a mask, Softmax, MatMul, in one step
// (kernels/attention), which reads queries, keys and values through the Transposes and Reshapes before it and writes through
// the Transpose behind it. (The name sorts before "onednn_pair", which takes the products one by one.)
#include "kernels/attention/attention.hpp"
#include "runtime/ranges.hpp"

namespace bitwright {
namespace {

std::vector<int64_t> steps_of(const Shape& shape) {
  std::vector<int64_t> steps(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) steps[i - 1] = steps[i] * shape[i];
  return steps;
}

/// A tensor as other tensor's elements: how far those lie apart along each axis.
struct View {
  ValueId source = ValueId::none;
  std::vector<int64_t> steps;
  BufferId buffer = kNoBuffer;

  int64_t row() const { return steps[steps.size() - 2]; }
  int64_t column() const { return steps.back(); }
};

bool has_entry(const Lowering& lowering, const Node& node) {
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (lowering.input_entry(node, i)) return true;
  return false;
}

/// The float operator that alone reads a value, if its result's shape is known.
const Node* next(const Lowering& lowering, ValueId value) {
  const Node* reader = lowering.output_entry(value) ? nullptr : lowering.only_reader(value);
  return reader && !has_entry(lowering, *reader) && lowering.known(reader->output()) ? reader : nullptr;
}

std::vector<int64_t> permutation(const Node& transpose, size_t rank) {
  std::vector<int64_t> reversed(rank);
  for (size_t i = 0; i < rank; ++i) reversed[i] = static_cast<int64_t>(rank - 1 - i);
  const auto given = transpose.attr_ints("perm");
  return given.empty() ? reversed : given;
}

/// `value` as its source's elements: the Transposes that make it, then Reshapes, are walked up.
View view_of(const Lowering& lowering, ValueId value) {
  const size_t rank = lowering.known(value)->shape().size();
  std::vector<size_t> axis(rank);  // of the source, for each of the value
  for (size_t i = 0; i < rank; ++i) axis[i] = i;
  const auto before = [&](std::string_view op) -> const Node* {
    const Node* node = lowering.output_entry(value) ? nullptr : lowering.producer(value);
    return node && node->is(op) && !has_entry(lowering, *node) && lowering.known(node->input(0)) ? node : nullptr;
  };
  for (const Node* node = before("Transpose"); node; node = before("Transpose")) {
    const auto perm = permutation(*node, rank);
    for (size_t& a : axis) a = static_cast<size_t>(perm[a]);
    value = node->input(0);
  }
  const std::vector<int64_t> steps = steps_of(lowering.known(value)->shape());
  View view;
  for (const size_t a : axis) view.steps.push_back(steps[a]);
  for (const Node* node = before("Reshape"); node; node = before("Reshape")) value = node->input(0);
  view.source = value;
  return view;
}

/// Steps of a tensor of `shape` broadcast to `rank` axes: 0 along those it lacks.
std::vector<int64_t> broadcast_steps(const Shape& shape, std::vector<int64_t> steps, size_t rank) {
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == 1) steps[i] = 0;
  steps.insert(steps.begin(), rank - shape.size(), 0);
  return steps;
}

/// Offsets of the matrices of a stack of extents `stack` with these steps.
std::vector<int64_t> starts_of(std::span<const int64_t> stack, const std::vector<int64_t>& steps) {
  std::vector<int64_t> at = {0};
  for (size_t i = 0; i < stack.size(); ++i) {
    std::vector<int64_t> inner;
    for (const int64_t outer : at)
      for (int64_t j = 0; j < stack[i]; ++j) inner.push_back(outer + j * steps[i]);
    at = std::move(inner);
  }
  return at;
}

/// The nodes of one attention, from the product of queries and keys on.
struct Match {
  std::vector<const Node*> nodes;  // first: the product of queries and keys
  const Node* softmax = nullptr;
  const Node* product = nullptr;  // of probabilities and values
  double scale = 1;
  ValueId mask = ValueId::none;
};

/// The number that a Div or Mul applies to `value`.
std::optional<double> scale_by(const Lowering& lowering, const Node& node, ValueId value) {
  if (!node.is("Div") && !node.is("Mul")) return {};
  const size_t other = node.input(0) == value ? 1 : 0;
  const Tensor* number = lowering.constant(node.input(other));
  if (!number || number->elements() != 1 || number->dtype() != DType::f32 || (node.is("Div") && other == 0)) return {};
  const double factor = value_as_double(*number, 0);
  return node.is("Div") ? 1 / factor : factor;
}

std::optional<Match> match_attention(const Lowering& lowering, const Node& first) {
  Match m;
  m.nodes = {&first};
  const Shape& scores = lowering.known(first.output())->shape();
  for (ValueId value = first.output();;) {
    const Node* reader = next(lowering, value);
    if (!reader) return {};
    m.nodes.push_back(reader);
    if (m.softmax) {
      m.product = reader;
      if (!reader->is("MatMul") || reader->input(0) != value || reader->input(1) == value) return {};
      return m;
    }
    const int64_t rank = std::ssize(scores), axis = reader->attr_int("axis", -1);
    if (reader->is("Softmax") && (axis == -1 || axis == rank - 1)) {
      m.softmax = reader;
    } else if (const auto factor = scale_by(lowering, *reader, value); factor && m.mask == ValueId::none) {
      m.scale *= *factor;
    } else if (reader->is("Add") && m.mask == ValueId::none && reader->input(0) != reader->input(1)) {
      m.mask = reader->input(reader->input(0) == value ? 1 : 0);
    } else {
      return {};
    }
    value = reader->output();
    if (lowering.known(value)->shape() != scores) return {};
  }
}

class AttentionStep : public Step {
 public:
  AttentionArgs args;
  std::vector<int64_t> q_at, k_at, v_at, mask_at, dst_at;  // elements to each product's matrices
  int64_t grain = 1;                                       // query rows of a piece
  AttentionKernel kernel = nullptr;

  void run(StepContext& context) const override {
    const auto floats = [&](size_t i) { return context.at(reads[i]).values<float>().data(); };
    const float *q = floats(0), *k = floats(1), *v = floats(2), *mask = mask_at.empty() ? nullptr : floats(3);
    float* dst = context.at(writes[0]).values<float>().data();
    float* cell = writes.size() > 1 ? context.at(writes[1]).values<float>().data() : nullptr;
    if (cell) cell[0] = cell[1] = 0;
    const int64_t parts = (args.queries + grain - 1) / grain;
    context.rows(std::ssize(q_at) * parts, 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      float seen[2] = {0, 0};
      for (int64_t piece = begin; piece < end; ++piece) {
        const auto i = static_cast<size_t>(piece / parts);
        const int64_t row = piece % parts * grain;
        AttentionArgs mine = args;
        mine.q = q + q_at[i], mine.k = k + k_at[i], mine.v = v + v_at[i], mine.dst = dst + dst_at[i];
        if (mask) mine.mask = mask + mask_at[i];
        mine.scratch = reinterpret_cast<float*>(scratch);
        mine.range = cell ? seen : nullptr;
        kernel(mine, row, std::min(args.queries, row + grain));
      }
      if (cell) merge_range(cell, seen);
    });
  }
};

/// What stands between a match and its step; empty: nothing.
std::string refusal(const Lowering& lowering, const Match& m, const View& q, const View& v, const Tensor* mask) {
  const Tensor &a = *lowering.known(m.nodes[0]->input(0)), &b = *lowering.known(m.nodes[0]->input(1));
  const Tensor &c = *lowering.known(m.product->input(1)), &y = *lowering.known(m.product->output());
  if (a.dtype() != DType::f32 || b.dtype() != DType::f32 || c.dtype() != DType::f32) return "attention: its operands are not float32";
  if (a.rank() < 2 || b.rank() < 2 || c.rank() < 2) return "attention: an operand is a vector";
  if (y.elements() == 0 || a.elements() == 0 || c.elements() == 0) return "attention: an operand is empty";
  if (a.rank() > y.rank() || b.rank() > y.rank() || c.rank() > y.rank()) return "attention: the stacks of its products differ";
  if (q.column() != 1) return "attention: queries are not contiguous";
  if (v.column() != 1) return "attention: values are not contiguous";
  if (mask && (mask->dtype() != DType::f32 || mask->rank() == 0 || mask->dim(-1) != b.dim(-1))) return "attention: the mask is not one number per key";
  return {};
}

/// Where the step writes: through a Transpose that alone reads the product, and Reshapes.
View destination(const Lowering& lowering, Match& m) {
  View view{m.product->output(), steps_of(lowering.known(m.product->output())->shape())};
  const Node* transpose = next(lowering, view.source);
  if (!transpose || !transpose->is("Transpose")) return view;
  const auto perm = permutation(*transpose, view.steps.size());
  if (perm.back() != std::ssize(perm) - 1) return view;
  const ValueId moved = transpose->output();
  const std::vector<int64_t> steps = steps_of(lowering.known(moved)->shape());
  for (size_t i = 0; i < perm.size(); ++i) view.steps[static_cast<size_t>(perm[i])] = steps[i];
  view.source = moved;
  m.nodes.push_back(transpose);
  for (const Node* reshape; (reshape = next(lowering, view.source)) && reshape->is("Reshape");) {
    view.source = reshape->output();
    m.nodes.push_back(reshape);
  }
  return view;
}

Reason lower_attention(Lowering& lowering, const Node& node) {
  if (has_entry(lowering, node)) return "";
  auto m = match_attention(lowering, node);
  if (!m) return "";
  View q = view_of(lowering, node.input(0)), k = view_of(lowering, node.input(1)), v = view_of(lowering, m->product->input(1));
  const Tensor* mask = m->mask == ValueId::none ? nullptr : lowering.known(m->mask);
  if (std::string why = refusal(lowering, *m, q, v, mask); !why.empty()) return why;
  for (const ValueId value : {q.source, k.source, v.source, m->mask})
    if (value != ValueId::none && !lowering.exists(value) && !lowering.constant(value)) return "attention: an operand is computed after the first product";

  const Shape a = lowering.known(node.input(0))->shape(), b = lowering.known(node.input(1))->shape();
  const Shape c = lowering.known(m->product->input(1))->shape(), y = lowering.known(m->product->output())->shape();
  const size_t rank = y.size();
  const auto stack = std::span(y).first(rank - 2);
  const View dst = destination(lowering, *m);
  const AttentionRow& row = select_attention(lowering.options().isa);
  auto step = std::make_unique<AttentionStep>();
  AttentionArgs& args = step->args;
  args.queries = a[a.size() - 2], args.keys = b.back(), args.depth = a.back(), args.width = c.back();
  args.q_row = q.row(), args.k_row = k.column(), args.k_column = k.row(), args.v_row = v.row();
  args.dst_row = dst.steps[rank - 2];
  args.scale = static_cast<float>(m->scale);
  step->q_at = starts_of(stack, broadcast_steps(a, q.steps, rank));
  step->k_at = starts_of(stack, broadcast_steps(b, k.steps, rank));
  step->v_at = starts_of(stack, broadcast_steps(c, v.steps, rank));
  step->dst_at = starts_of(stack, dst.steps);
  step->reads = {lowering.plain_floats(q.source), lowering.plain_floats(k.source), lowering.plain_floats(v.source)};
  if (mask) {
    const auto steps = broadcast_steps(mask->shape(), steps_of(mask->shape()), rank);
    step->mask_at = starts_of(stack, steps);
    args.mask_row = steps[rank - 2];
    step->reads.push_back(lowering.plain_floats(m->mask));
  }
  constexpr int64_t kPieces = 8;  // heads of all sequences; fewer are cut by rows
  const int64_t heads = std::ssize(step->q_at), cuts = (kPieces + heads - 1) / heads;
  step->grain = std::max<int64_t>(24, (args.queries + cuts - 1) / cuts);
  step->kernel = row.kernel;
  step->scratch_bytes = attention_scratch_bytes(args.keys, args.depth, args.width);
  step->info.node = node.id;
  step->info.name = display_name(node);
  for (size_t i = 1; i < m->nodes.size(); ++i) step->info.name += str(" + ", m->nodes[i]->op), lowering.absorb(m->nodes[i]->id);
  step->info.kernel = row.name;
  step->info.macs = heads * args.queries * args.keys * (args.depth + args.width);
  const BufferId out = lowering.make(DType::f32, lowering.known(dst.source)->shape());
  step->writes = {out};
  if (const BufferId range = make_range(lowering, dst.source); range != kNoBuffer) step->writes.push_back(range);
  lowering.add(std::move(step));
  lowering.define_raw(dst.source, out);
  return {};
}

const LoweringRule kRules[] = {{"MatMul", lower_attention, Stage::float_kernels}};

}  // namespace

std::span<const LoweringRule> lowerings_attention() { return kRules; }

}  // namespace bitwright
