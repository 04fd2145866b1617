// Det: determinants of square matrices by elimination with partial pivoting, in double.
#include <cmath>

#include "ops/convert.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

double determinant(std::vector<double> m, size_t n) {
  double det = 1;
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t r = k + 1; r < n; ++r)
      if (std::abs(m[r * n + k]) > std::abs(m[pivot * n + k])) pivot = r;
    if (m[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      det = -det;
      for (size_t j = 0; j < n; ++j) std::swap(m[k * n + j], m[pivot * n + j]);
    }
    det *= m[k * n + k];
    for (size_t r = k + 1; r < n; ++r) {
      const double factor = m[r * n + k] / m[k * n + k];
      for (size_t j = k; j < n; ++j) m[r * n + j] -= factor * m[k * n + j];
    }
  }
  return det;
}

void run_det(OpContext& c) {
  const Tensor& x = c.input(0);
  if (x.rank() < 2 || x.dim(-1) != x.dim(-2)) c.malformed(str("input has shape ", to_string(x.shape()), ", wanted square matrices"));
  Tensor y = c.output(0, real_type(c, 0), Shape(x.shape().begin(), x.shape().end() - 2));
  if (c.shape_only()) return;
  const int64_t size = x.dim(-1) * x.dim(-1);
  for (int64_t i = 0; i < y.elements(); ++i) {
    std::vector<double> matrix(static_cast<size_t>(size));
    read_numbers(c.data(0), i * size, size, matrix.data());
    const double det = determinant(std::move(matrix), static_cast<size_t>(x.dim(-1)));
    write_numbers(y, i, 1, &det);
  }
}

const Op kOps[] = {{.name = "Det", .since = 11, .run = run_det}};

}  // namespace

std::span<const Op> ops_det() { return kOps; }

}  // namespace bitwright
