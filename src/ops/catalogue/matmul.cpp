// MatMul (numpy's rules, also for vectors) and Gemm. Quantized: weights per output channel, int32 accumulators. The
// channel axis is the last one of a MatMul's weights; of a Gemm's B it is 1, or 0 with transB: the quantizer looks.
#include <algorithm>

#include "ops/gemm.hpp"
#include "ops/product.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

void multiply_real(OpContext& c, const Product& p) {
  RealOutput y(c, 0, real_type(c, 0), p.shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput a(c, 0), b(c, 1);
  if (elements_of(p.lead_b) == 1) {  // one right operand: all rows of the left in one product
    gemm(c, pack_rows(a.data, elements_of(p.lead) * p.m, p.k, p.k, 1), p.n, pack_from(b.data, p.k, p.n, 1), y.data(),
         p.n);
  } else {
    for_each_product(p, [&](int64_t left, int64_t right, int64_t i) {
      gemm(c, pack_rows(a.data + left * p.m * p.k, p.m, p.k, p.k, 1), p.n,
           pack_from(b.data + right * p.k * p.n, p.k, p.n, 1), y.data() + i * p.m * p.n, p.n);
    });
  }
  y.finish();
}

// Integers wrap around, as ONNX leaves overflow open.
void multiply_integers(OpContext& c, const Product& p) {
  Tensor y = c.output(0, c.input(0).dtype(), p.shape);
  if (c.shape_only()) return;
  dispatch(y.dtype(), [&]<class T>(T*) {
    if constexpr (std::is_integral_v<T>) {
      const T *a = c.data(0).values<T>().data(), *b = c.data(1).values<T>().data();
      T* to = y.values<T>().data();
      for_each_product(p, [&](int64_t left, int64_t right, int64_t product) {
        for (int64_t i = 0; i < p.m * p.n; ++i) {
          const T *row = a + (left * p.m + i / p.n) * p.k, *column = b + right * p.k * p.n + i % p.n;
          uint64_t sum = 0;
          for (int64_t j = 0; j < p.k; ++j)
            sum += static_cast<uint64_t>(row[j]) * static_cast<uint64_t>(column[j * p.n]);
          to[product * p.m * p.n + i] = static_cast<T>(sum);
        }
      });
    }
  });
}

void run_matmul(OpContext& c) {
  if (c.input(0).dtype() != c.input(1).dtype())
    c.malformed(str("operands are ", name_of(c.input(0).dtype()), " and ", name_of(c.input(1).dtype())));
  const Product p = read_product(c, c.input(0).shape(), c.input(1).shape());
  return is_integer(c.input(0).dtype()) ? multiply_integers(c, p) : multiply_real(c, p);
}

void run_gemm(OpContext& c) {
  const Shape &a = c.input(0).shape(), &b = c.input(1).shape();
  if (a.size() != 2 || b.size() != 2) c.malformed(str("operands ", to_string(a), " and ", to_string(b), " are not 2-D"));
  const bool ta = c.node().attr_int("transA", 0) != 0, tb = c.node().attr_int("transB", 0) != 0;
  const int64_t m = a[ta ? 1 : 0], k = a[ta ? 0 : 1], n = b[tb ? 0 : 1];
  if (b[tb ? 1 : 0] != k)
    c.malformed(str("operands ", to_string(a), ta ? " (transposed)" : "", " and ", to_string(b),
                    tb ? " (transposed)" : "", " cannot be multiplied"));
  if (c.has(2) && broadcast_shapes(c, c.input(2).shape(), Shape{m, n}) != Shape{m, n})
    c.malformed(str("addend ", to_string(c.input(2).shape()), " does not broadcast to [", m, ",", n, "]"));
  RealOutput y(c, 0, is_integer(c.input(0).dtype()) ? c.input(0).dtype() : real_type(c, 0), {m, n});
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput left(c, 0), right(c, 1);
  gemm(c, pack_rows(left.data, m, k, ta ? 1 : k, ta ? m : 1), n, pack_from(right.data, k, tb ? 1 : n, tb ? k : 1),
       y.data(), n);
  const float alpha = c.node().attr_float("alpha", 1), beta = c.node().attr_float("beta", 1);
  float* to = y.data();
  if (alpha != 1)
    for (int64_t i = 0; i < m * n; ++i) to[i] *= alpha;
  if (c.has(2)) {
    const RealInput addend(c, 2);
    broadcast_apply(c, to, y.shape(), addend.data, addend.tensor.shape(), to, y.shape(),
                    [beta](float v, float w) { return v + (beta == 1 ? w : beta * w); });
  }
  y.finish();
}

const QuantRule kMatMul = {.kind = QuantRule::Kind::linear, .weight_input = 1, .weight_axis = -1};
const QuantRule kGemm = {.kind = QuantRule::Kind::linear, .weight_input = 1, .bias_input = 2, .weight_axis = 1};

// Until opset 11 Gemm had to have a third input.
bool downgrade_gemm(UpgradeContext& u) {
  if (u.opset < 7) return false;
  if (u.node.input(2) != ValueId::none) return true;
  const ValueId x = u.node.input(0);
  const DType type = u.graph.has_value(x) ? u.graph.value(x).dtype : DType::none;
  if (type == DType::none) return false;
  u.node.inputs.resize(3, ValueId::none);
  u.node.inputs[2] = u.constant("zero", Tensor(type, {1}));
  return true;
}

const Op kOps[] = {
    {.name = "MatMul", .min_inputs = 2, .max_inputs = 2, .run = run_matmul, .quant = kMatMul},
    {.name = "Gemm", .min_inputs = 2, .max_inputs = 3, .since = 11, .run = run_gemm, .downgrade = downgrade_gemm,
     .quant = kGemm},
};

}  // namespace

std::span<const Op> ops_matmul() { return kOps; }

}  // namespace bitwright
