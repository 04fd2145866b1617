// MatMulInteger and QLinearMatMul: exact sums of products of codes less their zero points, in int64.
#include "ops/codes.hpp"
#include "ops/product.hpp"

namespace bitwright {
namespace {

// Zero points (or scales) of an operand with extents [rows, cols] at the end: one for all, or one per index of `axis`
// (-2 rows, -1 columns), possibly repeated per batch with an axis of 1 where they do not vary.
int64_t parameter_axis(const OpContext& c, size_t i, int axis) {
  const int64_t rank = c.input(i).rank();
  return rank < 2 ? (axis == -2 || rank == 0 ? -1 : rank - 1) : rank + axis;
}

// sums[p][i][j] over all products, row by row so that the inner loop runs along the columns.
template <class Store>
void multiply(const OpContext& c, const Product& p, const std::vector<int32_t>& a, const std::vector<int32_t>& b,
              Store store) {
  for_each_product(p, [&](int64_t left, int64_t right, int64_t product) {
    c.parallel(p.m, 4, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> sums(static_cast<size_t>(p.n));
      for (int64_t i = begin; i < end; ++i) {
        std::fill(sums.begin(), sums.end(), 0);
        const int32_t* row = a.data() + (left * p.m + i) * p.k;
        for (int64_t k = 0; k < p.k; ++k) {
          const int32_t* from = b.data() + (right * p.k + k) * p.n;
          for (int64_t j = 0; j < p.n; ++j) sums[static_cast<size_t>(j)] += int64_t{row[k]} * from[j];
        }
        for (int64_t j = 0; j < p.n; ++j) store((product * p.m + i) * p.n + j, i, j, sums[static_cast<size_t>(j)]);
      }
    });
  });
}

void check_codes(const OpContext& c, size_t i) {
  const DType type = c.input(i).dtype();
  if (!is_integer(type) || bits_of(type) > 16)
    c.malformed(str("input ", i, " is ", name_of(type), ", wanted an integer type of at most 16 bits"));
}

void run_matmul_integer(OpContext& c) {
  const Product p = read_product(c, c.input(0).shape(), c.input(1).shape());
  check_codes(c, 0);
  check_codes(c, 1);
  Tensor y = c.output(0, DType::i32, p.shape);
  if (c.shape_only()) return;
  const auto a = centred_codes(c, 0, 2, parameter_axis(c, 0, -2)), b = centred_codes(c, 1, 3, parameter_axis(c, 1, -1));
  int32_t* to = y.values<int32_t>().data();
  multiply(c, p, a, b, [&](int64_t at, int64_t, int64_t, int64_t sum) { to[at] = static_cast<int32_t>(sum); });
}

// Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero.
void run_qlinear_matmul(OpContext& c) {
  const Product p = read_product(c, c.input(0).shape(), c.input(3).shape());
  check_codes(c, 0);
  check_codes(c, 3);
  Tensor y = c.output(0, c.input(7).dtype(), p.shape);
  if (c.input(1).elements() != 1) c.unsupported("a scale per row of the left operand");
  const int64_t scales = c.input(4).elements();
  if (scales != 1 && scales != p.n) c.malformed(str(scales, " scales for ", p.n, " columns"));
  if (c.shape_only()) return;
  const Requantize requantize = read_requantize(c, 1, 4, 6, 7);
  const auto a = centred_codes(c, 0, 2, parameter_axis(c, 0, -2)), b = centred_codes(c, 3, 5, parameter_axis(c, 3, -1));
  dispatch(y.dtype(), [&]<class T>(T*) {
    T* to = y.values<T>().data();
    if constexpr (std::is_integral_v<T>)
      multiply(c, p, a, b, [&](int64_t at, int64_t, int64_t column, int64_t sum) {
        to[at] = static_cast<T>(requantize.code(sum, column));
      });
  });
}

const Op kOps[] = {
    {.name = "MatMulInteger", .min_inputs = 2, .max_inputs = 4, .since = 10, .run = run_matmul_integer},
    {.name = "QLinearMatMul", .min_inputs = 8, .max_inputs = 8, .since = 10, .run = run_qlinear_matmul},
};

}  // namespace

std::span<const Op> ops_integer_product() { return kOps; }

}  // namespace bitwright
