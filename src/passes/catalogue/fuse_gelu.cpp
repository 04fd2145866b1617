// x * 0.5 * (1 + erf(x / sqrt 2)) = Gelu(x); x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) = Gelu(x, tanh)
#include "ops/op.hpp"
#include "passes/match.hpp"

namespace bitwright {
namespace {

constexpr double kRootHalf = 0.70710678118654752, kRootTwoOverPi = 0.79788456080286536;

/// The argument of `op` in 1 + op(argument).
ValueId one_plus(Rewriter& r, ValueId id, std::string_view op) {
  const Node* add = only_made_by(r, id, "Add");
  if (!add || add->inputs.size() != 2) return ValueId::none;
  for (size_t i = 0; i < 2; ++i)
    if (is_scalar(r, add->inputs[i], 1))
      if (const Node* f = only_made_by(r, add->inputs[1 - i], op)) return f->input(0);
  return ValueId::none;
}

/// c * x
bool is_multiple(Rewriter& r, ValueId id, double c, ValueId x) {
  const Node* node = only_made_by(r, id, "Mul");
  if (!node) node = only_made_by(r, id, "Div");
  if (!node) return false;
  const Product p = product_of(r, *node);
  return p.factors.size() == 1 && p.factors[0] == x && std::fabs(p.constant - c) < 1e-4;
}

/// c * x^3, as Pow or as products
bool is_cube(Rewriter& r, ValueId id, double c, ValueId x) {
  const Node* node = only_made_by(r, id, "Mul");
  if (!node) return false;
  const Product p = product_of(r, *node);
  if (std::fabs(p.constant - c) > 1e-5) return false;
  if (p.factors.size() == 3) return p.factors[0] == x && p.factors[1] == x && p.factors[2] == x;
  const Node* pow = p.factors.size() == 1 ? only_made_by(r, p.factors[0], "Pow") : nullptr;
  return pow && pow->input(0) == x && is_scalar(r, pow->input(1), 3);
}

bool is_tanh_argument(Rewriter& r, ValueId id, ValueId x) {
  const Node* mul = only_made_by(r, id, "Mul");
  if (!mul) return false;
  const Product p = product_of(r, *mul);
  const Node* add = p.factors.size() == 1 ? only_made_by(r, p.factors[0], "Add") : nullptr;
  if (!add || std::fabs(p.constant - kRootTwoOverPi) > 1e-4) return false;
  const ValueId rest = other_input(*add, x);
  return rest != ValueId::none && is_cube(r, rest, 0.044715, x);
}

/// x and the approximation if `node` is the last product of a Gelu.
struct Gelu {
  ValueId x = ValueId::none;
  bool tanh = false;
};
Gelu match(Rewriter& r, const Node& node) {
  const Product p = product_of(r, node);
  if (p.factors.size() != 2 || std::fabs(p.constant - 0.5) > 1e-6) return {};
  for (size_t i = 0; i < 2; ++i) {
    const ValueId x = p.factors[i], rest = p.factors[1 - i];
    if (const ValueId z = one_plus(r, rest, "Erf"); z != ValueId::none && is_multiple(r, z, kRootHalf, x)) return {x, false};
    if (const ValueId z = one_plus(r, rest, "Tanh"); z != ValueId::none && is_tanh_argument(r, z, x)) return {x, true};
  }
  return {};
}

}  // namespace

Model pass_fuse_gelu(Model model, PassReport& report);
Model pass_fuse_gelu(Model model, PassReport& report) {
  Rewriter r(model);
  if (!find_op("", "Gelu")) return model;
  for (const NodeId id : r.nodes()) {
    const Node* node = r.node(id);
    if (!node || !(node->is("Mul") || node->is("Div"))) continue;
    const Gelu gelu = match(r, *node);
    if (gelu.x == ValueId::none || r.input_entry(*node, 0) || r.input_entry(*node, 1)) continue;
    report.done.push_back(display_name(*node) + ": the end of a Gelu, fused");
    Node& made = take_place(r, id, "Gelu", {gelu.x});
    if (gelu.tanh) made.attributes["approximate"] = std::string("tanh");
  }
  r.commit();
  return model;
}

}  // namespace bitwright
