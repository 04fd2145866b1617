#include "runtime/followers.hpp"

namespace bitwright {

Followers Followers::of(Lowering& lowering, ValueId value, Order order) {
  Followers followers;
  followers.value_ = value;
  const auto is_u8 = [&](ValueId id) {
    const auto grid = lowering.output_grid(id);
    return grid && grid->type == DType::u8;
  };
  while (lowering.options().target == Target::integer && is_u8(followers.value_)) {
    const Node* reader = lowering.only_reader(followers.value_);
    if (!reader || !reader->domain.empty() || reader->outputs.size() != 1 || !lowering.known(reader->output())) break;
    if (!(reader->is("Add") ? followers.add_sum(lowering, *reader, order) : followers.add_table(lowering, *reader))) break;
  }
  return followers;
}

bool Followers::add_table(Lowering& lowering, const Node& node) {
  if (node.input(0) != value_ || lowering.input_entry(node, 0)) return false;
  const auto table = code_table(lowering, node);
  if (!std::holds_alternative<CodeTable>(table)) return false;
  const auto choice = select_elementwise(elementwise_kernels().lookup, true, lowering.options().isa);
  Pass pass;
  pass.table = std::get<CodeTable>(table);
  pass.lookup = choice.row->kernel;
  passes_.push_back(pass);
  nodes_.push_back(node.id);
  names_ += str(" + ", node.op);
  value_ = node.output();
  return true;
}

/// An Add in which our codes meet codes of the same shape that earlier steps have made.
bool Followers::add_sum(Lowering& lowering, const Node& node, Order order) {
  if (lowering.table().profile != Profile::ort || node.input(0) == node.input(1)) return false;
  const size_t ours = node.input(0) == value_ ? 0 : 1, theirs = 1 - ours;
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  const auto result = lowering.output_grid(tail.value);
  const auto grids = {lowering.input_grid(node, ours), lowering.input_grid(node, theirs), result};
  for (const auto& grid : grids)
    if (!grid || grid->type != DType::u8) return false;
  const Tensor &x = *lowering.known(node.input(theirs)), &y = *lowering.known(node.output());
  if (x.shape() != y.shape() || lowering.known(value_)->shape() != y.shape()) return false;
  if (lowering.input_entry(node, ours) || !lowering.exists(node.input(theirs))) return false;
  Pass pass;
  pass.sum = binary_of_codes(lowering, node, 0, tail);
  pass.operand = theirs;
  pass.other = lowering.codes(node, theirs, order);
  passes_.push_back(pass);
  nodes_.push_back(node.id);
  nodes_.insert(nodes_.end(), tail.absorbed.begin(), tail.absorbed.end());
  names_ += str(" + Add", tail.names);
  value_ = tail.value;
  return true;
}

void Followers::join(Lowering& lowering, Step& step) const {
  for (const NodeId node : nodes_) lowering.absorb(node);
  for (const Pass& pass : passes_)
    if (pass.other != kNoBuffer) step.reads.push_back(pass.other);
  step.info.name += names_;
}

void Followers::apply(StepContext& context, uint8_t* codes, int64_t at, int64_t count) const {
  for (const Pass& pass : passes_) {
    if (pass.lookup) {
      pass.lookup({codes, codes, pass.table.data()}, 0, count);
    } else {
      BinaryArgs args = pass.sum.args;
      const std::byte* other = context.at(pass.other).raw() + at;
      args.a = pass.operand == 0 ? static_cast<const void*>(other) : codes;
      args.b = pass.operand == 0 ? static_cast<const void*>(codes) : other;
      args.dst = codes;
      pass.sum.row->kernel(args, 0, count);
    }
  }
}

void Followers::apply(StepContext& context, const Block& b) const {
  const bool whole = b.column0 == 0 && b.column1 == b.columns && b.stride == b.columns;
  if (whole) return apply(context, b.codes + b.row0 * b.stride, b.row0 * b.columns, (b.row1 - b.row0) * b.columns);
  for (int64_t row = b.row0; row < b.row1; ++row)
    apply(context, b.codes + row * b.stride + b.column0, row * b.columns + b.column0, b.column1 - b.column0);
}

}  // namespace bitwright
