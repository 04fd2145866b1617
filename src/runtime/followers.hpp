// What follows a product on its own codes and can be done while they are still in the cache: a table (any activation of 8-bit
// codes) and the sum with a value that exists already (a residual). The nodes are absorbed by the product's step, which
// applies them in place, block by block; each computes exactly what its own step would.
#pragma once

#include <array>

#include "kernels/elementwise/select.hpp"
#include "runtime/linear.hpp"

namespace bitwright {

/// The code of an elementwise node's result for every code of its input 0; or why there is no such table.
using CodeTable = std::array<uint8_t, 256>;
std::variant<CodeTable, std::string> code_table(const Lowering& lowering, const Node& node);

/// Add or Mul of codes by the table's profile, and the kernel that computes it on this machine.
struct BinaryOfCodes {
  BinaryArgs args;  // without data
  const ElementwiseRow<BinaryArgs>* row = nullptr;
  bool as_onnxruntime = false;  // profile `ort` of u8: add, mul; else add_float, mul_float
};
/// `first` is the operand that BinaryArgs calls a; the result is that of the clamps behind the node. All grids must be known.
BinaryOfCodes binary_of_codes(const Lowering& lowering, const Node& node, size_t first, const Lowering::Tail& tail);

class Followers {
 public:
  /// Follows the codes of `value` ([..., C] in memory as `order` says) as long as its only reader can be done in place.
  /// Takes the codes of other operands from the lowering, which may add steps that convert them. Nothing follows in the
  /// simulated target, nor codes other than u8.
  static Followers of(Lowering& lowering, ValueId value, Order order);

  bool empty() const { return passes_.empty(); }
  /// Where the last of them leaves its result; the product's own value if there is none.
  ValueId value() const { return value_; }
  /// The step that applies them gets their operands and name, and their nodes are done.
  void join(Lowering& lowering, Step& step) const;
  /// product(row0, row1) for all rows of a piece, which leaves `columns` of a matrix that is `width` wide in `out`; where
  /// there are followers, `together` rows at a time, each block followed by them.
  template <class F>
  void along(StepContext& context, const Output& out, int64_t width, const Piece& piece, ColumnRange columns, int64_t together,
             F product) const {
    if (empty()) return product(piece.row0, piece.row1);
    for (int64_t row = piece.row0, end = row; row < piece.row1; row = end) {
      end = piece.row1 - row <= together + together / 3 ? piece.row1 : row + together;  // no few rows at the end
      product(row, end);
      apply(context, {static_cast<uint8_t*>(out.data), out.stride, width, row, end, columns.begin, columns.end});
    }
  }
  /// Rows of so many columns that stay in the first-level cache; a multiple of what products take at once.
  static int64_t rows_together(int64_t columns) { return std::max<int64_t>(48, (1 << 14) / columns / 48 * 48); }

 private:
  struct Pass {
    CodeTable table{};
    ElementwiseKernel<LookupArgs> lookup = nullptr;  // or:
    BinaryOfCodes sum;
    size_t operand = 0;  // of the sum, that is not ours
    BufferId other = kNoBuffer;
  };
  bool add_table(Lowering& lowering, const Node& node);
  /// Rows [row0, row1) and columns [column0, column1) of a matrix of codes with `columns` columns, `stride` bytes a row.
  struct Block {
    uint8_t* codes;
    int64_t stride, columns, row0, row1, column0, column1;
  };
  void apply(StepContext& context, const Block& block) const;
  bool add_sum(Lowering& lowering, const Node& node, Order order);
  /// `count` codes, of which the first is element `at` of the product.
  void apply(StepContext& context, uint8_t* codes, int64_t at, int64_t count) const;

  ValueId value_ = ValueId::none;
  std::vector<Pass> passes_;
  std::vector<NodeId> nodes_;
  std::string names_;
};

/// Adds the step of a linear node, whose result is the buffer it writes, with what follows it (the step has `followers`).
template <class S>
void add_linear(Lowering& lowering, const Node& node, const Linear& linear, std::unique_ptr<S> step, Order order) {
  const BufferId out = step->writes[0];
  if (!linear.leaves_codes()) {
    lowering.add(std::move(step));
    return define_linear(lowering, node, linear, out, order);
  }
  lowering.absorb(linear.tail);
  step->followers = Followers::of(lowering, linear.tail.value, order);
  step->followers.join(lowering, *step);
  const ValueId value = step->followers.value();
  lowering.add(std::move(step));
  lowering.define_codes(value, out, order);
}

}  // namespace bitwright
