// Tensors made from a shape or a few numbers: Constant, ConstantOfShape, Range, EyeLike, OneHot.
#include <algorithm>
#include <cmath>

#include "ops/convert.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

const Tensor* tensor_attribute(const OpContext& c, const std::string& key) {
  const auto at = c.node().attributes.find(key);
  return at == c.node().attributes.end() ? nullptr : std::get_if<Tensor>(&at->second);
}

// Importers turn Constant nodes into constants; this one is for graphs that were built by hand.
void run_constant(OpContext& c) {
  const Tensor* value = tensor_attribute(c, "value");
  if (!value) c.malformed("has no attribute 'value'");
  c.forward(0, *value);
}

void run_constant_of_shape(OpContext& c) {
  const Tensor* given = tensor_attribute(c, "value");
  const Tensor value = given ? *given : Tensor::scalar(0.0f);
  if (value.elements() != 1) c.malformed(str("the value has shape ", to_string(value.shape()), ", wanted one element"));
  const Shape shape = values_as_int(c.data(0));
  for (const int64_t extent : shape)
    if (extent < 0) c.malformed(str("shape is ", to_string(shape)));
  Tensor y = c.output(0, value.dtype(), shape);
  if (!c.shape_only()) copy_strided(c, shape, value, {0, Shape(shape.size(), 0)}, y, {0, strides_of(shape)});
}

// ceil((limit - start) / delta) numbers, each start + i * delta.
template <class N>
void fill_range(OpContext& c, N start, N limit, N delta) {
  if (delta == 0) c.malformed("delta is 0");
  const double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
  if (!(count < 0x1p40)) c.malformed("the range has no end");
  Tensor& y = c.output(0, c.input(0).dtype(), {std::max<int64_t>(0, static_cast<int64_t>(count))});
  if (c.shape_only()) return;
  std::vector<N> values(static_cast<size_t>(y.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<N>(i) * delta;
  write_numbers(y, 0, y.elements(), values.data());
}

void run_range(OpContext& c) {
  for (size_t i = 0; i < 3; ++i)
    if (c.data(i).elements() != 1) c.malformed(str("input ", i, " has shape ", to_string(c.input(i).shape())));
  const Tensor &start = c.data(0), &limit = c.data(1), &delta = c.data(2);
  if (is_float(start.dtype()))
    return fill_range(c, value_as_double(start, 0), value_as_double(limit, 0), value_as_double(delta, 0));
  fill_range(c, value_as_int(start, 0), value_as_int(limit, 0), value_as_int(delta, 0));
}

void run_eye_like(OpContext& c) {
  const Tensor& x = c.input(0);
  if (x.rank() != 2) c.malformed(str("input has shape ", to_string(x.shape()), ", wanted a matrix"));
  const auto type = static_cast<DType>(c.node().attr_int("dtype", static_cast<int64_t>(x.dtype())));
  Tensor& y = c.output(0, type, x.shape());
  if (c.shape_only()) return;
  const std::vector<double> zeros(static_cast<size_t>(x.dim(1)), 0);
  const double one = 1;
  const int64_t k = c.node().attr_int("k", 0);
  for (int64_t row = 0; row < x.dim(0); ++row) {
    write_numbers(y, row * x.dim(1), x.dim(1), zeros.data());
    if (row + k >= 0 && row + k < x.dim(1)) write_numbers(y, row * x.dim(1) + row + k, 1, &one);
  }
}

void run_one_hot(OpContext& c) {
  const Tensor &indices = c.input(0), &values = c.input(2);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", -1), indices.rank() + 1);
  const int64_t depth = value_as_int(c.data(1), 0);
  if (depth < 0) c.malformed(str("depth is ", depth));
  if (values.elements() != 2) c.malformed(str("values have shape ", to_string(values.shape()), ", wanted [2]"));
  Shape shape = indices.shape();
  shape.insert(shape.begin() + axis, depth);
  Tensor y = c.output(0, values.dtype(), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const AxisSplit s(shape, axis);
  std::vector<double> at(static_cast<size_t>(indices.elements()));
  read_numbers(c.data(0), 0, indices.elements(), at.data());
  move_elements(c.data(2), y, [&](auto* off_on, auto* to) {
    std::fill(to, to + s.outer * s.size * s.inner, off_on[0]);
    for (int64_t i = 0; i < s.outer * s.inner; ++i) {
      const double index = at[static_cast<size_t>(i)];  // outside: the row stays off
      const int64_t hot = index >= -static_cast<double>(depth) && index < static_cast<double>(depth)
                              ? static_cast<int64_t>(index) + (index < 0 ? depth : 0)
                              : -1;
      if (hot >= 0) to[(i / s.inner * s.size + hot) * s.inner + i % s.inner] = off_on[1];
    }
  });
}

const Op kOps[] = {
    {.name = "Constant", .min_inputs = 0, .max_inputs = 0, .run = run_constant},
    {.name = "ConstantOfShape", .since = 9, .run = run_constant_of_shape},
    {.name = "Range", .min_inputs = 3, .max_inputs = 3, .since = 11, .run = run_range},
    {.name = "EyeLike", .since = 9, .run = run_eye_like},
    {.name = "OneHot", .min_inputs = 3, .max_inputs = 3, .since = 9, .run = run_one_hot},
};

}  // namespace

std::span<const Op> ops_generate() { return kOps; }

}  // namespace bitwright
