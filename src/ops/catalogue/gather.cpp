// Gather, GatherElements, GatherND: elements picked by index. Quantized: codes pass through.
#include <algorithm>

#include "ops/move.hpp"

namespace bitwright {
namespace {

int64_t checked_index(const OpContext& c, int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) c.malformed(str("index ", index, " is outside ", extent));
  return index < 0 ? index + extent : index;
}

std::vector<int64_t> checked_indices(const OpContext& c, int64_t extent) {
  std::vector<int64_t> indices = values_as_int(c.data(1));
  for (int64_t& index : indices) index = checked_index(c, index, extent);
  return indices;
}

void run_gather(OpContext& c) {
  const Tensor& x = c.input(0);
  const Tensor& index = c.input(1);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  Shape shape(x.shape().begin(), x.shape().begin() + axis);
  shape.insert(shape.end(), index.shape().begin(), index.shape().end());
  shape.insert(shape.end(), x.shape().begin() + axis + 1, x.shape().end());
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only()) return;
  const AxisSplit s(x.shape(), axis);
  const auto indices = checked_indices(c, s.size);
  const auto count = static_cast<int64_t>(indices.size());
  if (y.elements() == 0) return;
  move_elements(c.data(0), y, [&](auto* from, auto* to) {
    c.parallel(s.outer * count, std::max<int64_t>(1, 16384 / s.inner), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto* run = from + (i / count * s.size + indices[static_cast<size_t>(i % count)]) * s.inner;
        std::copy(run, run + s.inner, to + i * s.inner);
      }
    });
  });
}

void run_gather_elements(OpContext& c) {
  const Tensor& x = c.input(0);
  const Shape shape = c.input(1).shape();
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  if (c.input(1).rank() != x.rank())
    c.malformed(str("indices have rank ", c.input(1).rank(), ", data rank ", x.rank()));
  for (size_t d = 0; d < shape.size(); ++d)
    if (static_cast<int64_t>(d) != axis && shape[d] > x.shape()[d])
      c.malformed(str("indices ", to_string(shape), " reach outside data ", to_string(x.shape())));
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only()) return;
  const auto indices = checked_indices(c, x.dim(axis));
  Shape strides = strides_of(x.shape());
  const int64_t step = strides[static_cast<size_t>(axis)];
  strides[static_cast<size_t>(axis)] = 0;
  move_elements(c.data(0), y, [&](auto* from, auto* to) {
    size_t i = 0;
    for_each_position(shape, strides, [&](int64_t at) {
      to[i] = from[at + indices[i] * step];
      ++i;
    });
  });
}

void run_gather_nd(OpContext& c) {
  const Tensor& x = c.input(0);
  const Tensor& index = c.input(1);
  const int64_t batch_dims = c.node().attr_int("batch_dims", 0);
  if (index.rank() < 1 || x.rank() < 1) c.malformed("data or indices are a scalar");
  const int64_t depth = index.dim(-1);
  if (batch_dims < 0 || batch_dims >= index.rank() || batch_dims + depth > x.rank() || depth < 0)
    c.malformed(str("indices ", to_string(index.shape()), " with batch_dims ", batch_dims, " do not fit data ",
                    to_string(x.shape())));
  const auto b = static_cast<size_t>(batch_dims);
  for (size_t d = 0; d < b; ++d)
    if (x.shape()[d] != index.shape()[d]) c.malformed(str("batch dimension ", d, " differs"));
  Shape shape(index.shape().begin(), index.shape().end() - 1);
  shape.insert(shape.end(), x.shape().begin() + batch_dims + depth, x.shape().end());
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const Shape strides = strides_of(x.shape());
  const int64_t run = elements_of(Shape(x.shape().begin() + batch_dims + depth, x.shape().end()));
  const int64_t batches = elements_of(Shape(x.shape().begin(), x.shape().begin() + batch_dims));
  const int64_t picks = y.elements() / run, per_batch = picks / batches, batch_size = x.elements() / batches;
  const auto indices = values_as_int(c.data(1));
  move_elements(c.data(0), y, [&](auto* from, auto* to) {
    for (int64_t i = 0; i < picks; ++i) {
      int64_t at = i / per_batch * batch_size;
      for (int64_t d = 0; d < depth; ++d) {
        const auto axis = static_cast<size_t>(batch_dims + d);
        at += checked_index(c, indices[static_cast<size_t>(i * depth + d)], x.shape()[axis]) * strides[axis];
      }
      std::copy(from + at, from + at + run, to + i * run);
    }
  });
}

const QuantRule kShared = {.kind = QuantRule::Kind::shared};

const Op kOps[] = {
    {.name = "Gather", .min_inputs = 2, .max_inputs = 2, .run = run_gather, .quant = kShared},
    {.name = "GatherElements", .min_inputs = 2, .max_inputs = 2, .since = 11, .run = run_gather_elements,
     .quant = kShared},
    {.name = "GatherND", .min_inputs = 2, .max_inputs = 2, .since = 11, .run = run_gather_nd, .quant = kShared},
};

}  // namespace

std::span<const Op> ops_gather() { return kOps; }

}  // namespace bitwright
