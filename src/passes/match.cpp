#include "passes/match.hpp"

namespace bitwright {

Product product_of(Rewriter& r, const Node& root, int depth) {
  Product p;
  auto add = [&](ValueId id) {
    if (const auto v = scalar_of(r, id)) {
      p.constant *= *v;
      return;
    }
    const Node* inner = r.single_reader(id) ? r.producer(id) : nullptr;
    const bool product = inner && !r.has_entries(*inner) && inner->inputs.size() == 2 &&
                         (inner->is("Mul") || (inner->is("Div") && scalar_of(r, inner->inputs[1])));
    if (!product || depth == 0) {
      p.factors.push_back(id);
      return;
    }
    const Product below = product_of(r, *inner, depth - 1);
    p.constant *= below.constant;
    p.factors.insert(p.factors.end(), below.factors.begin(), below.factors.end());
  };
  if (root.inputs.size() != 2) return p;
  add(root.inputs[0]);
  if (const auto v = root.is("Div") ? scalar_of(r, root.inputs[1]) : std::nullopt) {
    p.constant /= *v;
  } else {
    add(root.inputs[1]);
  }
  return p;
}

}  // namespace bitwright
