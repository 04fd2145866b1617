// Shapes of MatMul, shared by the float and the integer operators.
#pragma once

#include "ops/broadcast.hpp"

namespace bitwright {

struct Product {
  int64_t m = 0, n = 0, k = 0;
  Shape lead_a, lead_b, lead, shape;  // batch extents of the operands and of the result, and the result's shape
};

/// numpy.matmul's rules, vectors included; Error{malformed} names the node.
Product read_product(const OpContext& c, Shape a, Shape b);

/// f(index of the left matrix, of the right one, of the result) for every product of the batch.
template <class F>
void for_each_product(const Product& p, F f) {
  const Shape sa = broadcast_strides(p.lead_a, p.lead), sb = broadcast_strides(p.lead_b, p.lead);
  const int64_t count = elements_of(p.lead);
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i, at_a = 0, at_b = 0;
    for (size_t d = p.lead.size(); d-- > 0; rest /= p.lead[d]) {
      at_a += rest % p.lead[d] * sa[d];
      at_b += rest % p.lead[d] * sb[d];
    }
    f(at_a, at_b, i);
  }
}

}  // namespace bitwright
