#include "ops/product.hpp"

namespace bitwright {

Product read_product(const OpContext& c, Shape a, Shape b) {
  if (a.empty() || b.empty()) c.malformed("an operand is a scalar");
  const std::string shapes = str("shapes ", to_string(a), " and ", to_string(b), " cannot be multiplied");
  const bool row = a.size() == 1, column = b.size() == 1;  // vectors get an axis of 1 that the result loses
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  Product p{a[a.size() - 2], b.back(), a.back(), {a.begin(), a.end() - 2}, {b.begin(), b.end() - 2}, {}, {}};
  if (b[b.size() - 2] != p.k) c.malformed(shapes);
  p.lead = p.shape = broadcast_shapes(c, p.lead_a, p.lead_b);
  if (!row) p.shape.push_back(p.m);
  if (!column) p.shape.push_back(p.n);
  return p;
}

}  // namespace bitwright
