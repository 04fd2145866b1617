// How codes and grids follow when a constant is permuted, reshaped or scaled.
#include <algorithm>
#include <cstring>

#include "graph/rewriter.hpp"

namespace bitwright {
namespace {

Tensor permute(const Tensor& from, const std::vector<int64_t>& perm) {
  Shape shape;
  for (const int64_t p : perm) shape.push_back(from.dim(p));
  Tensor to(from.dtype(), shape);
  const size_t size = static_cast<size_t>(bits_of(from.dtype())) / 8;
  BW_CHECK(size > 0);
  const Shape strides = strides_of(from.shape());
  std::vector<int64_t> index(perm.size(), 0);
  for (int64_t i = 0; i < to.elements(); ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < perm.size(); ++d) at += index[d] * strides[static_cast<size_t>(perm[d])];
    std::memcpy(to.raw() + static_cast<size_t>(i) * size, from.raw() + static_cast<size_t>(at) * size, size);
    for (size_t d = perm.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return to;
}

int normal(int axis, int64_t rank) { return axis < 0 ? axis + static_cast<int>(rank) : axis; }

}  // namespace

ConstantView permuted(const ConstantView& constant, const std::vector<int64_t>& perm) {
  ConstantView result{permute(constant.values, perm), constant.entry};
  if (!constant.entry.codes.empty()) result.entry.codes = permute(constant.entry.codes, perm);
  for (Grid& grid : result.entry.chain) {
    if (grid.layout.kind == Layout::tensor) continue;
    const int axis = normal(grid.layout.axis, constant.values.rank());
    grid.layout.axis = static_cast<int>(std::find(perm.begin(), perm.end(), axis) - perm.begin());
    if (grid.layout.kind == Layout::block) {  // parameters lie over the tensor's own dimensions
      if (!grid.scale.empty()) grid.scale = permute(grid.scale, perm);
      if (!grid.zero.empty()) grid.zero = permute(grid.zero, perm);
    }
  }
  return result;
}

bool reshaped(ConstantView& constant, const Shape& shape) {
  const Shape& old = constant.values.shape();
  std::vector<int> axes;
  for (const Grid& grid : constant.entry.chain) {
    if (grid.layout.kind == Layout::tensor) {
      axes.push_back(0);
      continue;
    }
    if (grid.layout.kind == Layout::block) return false;
    // The channel axis survives where an axis of the same extent has as many elements before it.
    const auto axis = static_cast<size_t>(normal(grid.layout.axis, constant.values.rank()));
    const int64_t before = elements_of(std::span(old).first(axis));
    int found = -1;
    for (size_t a = 0; a < shape.size(); ++a)
      if (shape[a] == old[axis] && elements_of(std::span(shape).first(a)) == before) found = static_cast<int>(a);
    if (found < 0) return false;
    axes.push_back(found);
  }
  for (size_t i = 0; i < axes.size(); ++i) constant.entry.chain[i].layout.axis = axes[i];
  constant.values = constant.values.reshaped(shape);
  if (!constant.entry.codes.empty()) constant.entry.codes = constant.entry.codes.reshaped(shape);
  return true;
}

namespace {

/// Whether the scales of the constant's grid can take factors while its codes stay.
bool takes_factors(const Entry& entry, std::span<const float> factors) {
  const Grid& grid = entry.chain.back();
  const bool positive = std::all_of(factors.begin(), factors.end(), [](float f) { return f > 0; });
  return positive && entry.chain.size() == 1 && !entry.codes.empty() && grid.scale.dtype() == DType::f32 && !is_float(grid.zero.dtype());
}

}  // namespace

bool scaled(ConstantView& constant, float factor) {
  const bool quantized = !constant.entry.chain.empty();
  if (quantized && !takes_factors(constant.entry, {&factor, 1})) return false;
  Tensor& floats = quantized ? constant.entry.chain.back().scale : constant.values;
  floats = floats.clone();
  for (float& v : floats.values<float>()) v *= factor;
  if (quantized) constant.values = dequantize(constant.entry.codes, constant.entry.chain.back());
  return true;
}

bool scaled(ConstantView& constant, int axis, std::span<const float> factors) {
  const int64_t extent = constant.values.dim(axis);
  BW_CHECK(extent == static_cast<int64_t>(factors.size()) && constant.values.dtype() == DType::f32);
  const Layout rows{Layout::channel, axis, 0};
  if (constant.entry.chain.empty()) {
    Tensor values = constant.values.clone();
    for (const ParamRun& run : parameter_runs(rows, values.shape()))
      for (int64_t i = 0; i < run.count; ++i)
        values.values<float>()[static_cast<size_t>(run.begin + i)] *= factors[static_cast<size_t>(run.param + i * run.step)];
    constant.values = values;
    return true;
  }
  Grid& grid = constant.entry.chain.back();
  const bool same_axis = grid.layout.kind == Layout::channel && normal(grid.layout.axis, constant.values.rank()) == axis;
  if (!takes_factors(constant.entry, factors) || (grid.layout.kind != Layout::tensor && !same_axis) || grid.zero.elements() > 1)
    return false;
  Tensor scale(DType::f32, {extent});
  for (int64_t c = 0; c < extent; ++c) {
    const auto i = static_cast<size_t>(c);
    scale.values<float>()[i] = grid.scale.values<float>()[grid.scale.elements() == 1 ? 0 : i] * factors[i];
  }
  if (!grid.zero.empty() && grid.layout.kind == Layout::tensor) {
    const std::vector<int32_t> zeros(factors.size(), static_cast<int32_t>(value_as_int(grid.zero, 0)));
    grid.zero = zero_tensor(*grid.format, {extent}, zeros);
  }
  grid.scale = scale;
  grid.layout = rows;
  constant.values = dequantize(constant.entry.codes, grid);
  return true;
}

}  // namespace bitwright
