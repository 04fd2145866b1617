#include "quant/grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace bitwright {
namespace {

int64_t axis_of(const Layout& layout, std::span<const int64_t> shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t axis = layout.axis < 0 ? layout.axis + rank : layout.axis;
  if (axis < 0 || axis >= rank)
    fail(ErrorCode::mismatch, "quantization axis ", layout.axis, " does not exist in shape ", to_string(shape));
  return axis;
}

// One parameter may be written with shape [], [1] or [1,1]; several must have the layout's shape.
void verify_shape(const Tensor& parameter, std::string_view what, const Grid& grid, std::span<const int64_t> shape) {
  if (parameter.empty()) return;
  const Shape wanted = parameter_shape(grid.layout, shape);
  const bool single = parameter.elements() == 1 && elements_of(wanted) == 1;
  if (!single && parameter.shape() != wanted)
    fail(ErrorCode::mismatch, what, " has shape ", to_string(parameter.shape()), ", a tensor of shape ",
         to_string(shape), " with this layout needs ", to_string(wanted));
}

void verify_values(const Grid& grid) {
  for (int64_t i = 0; i < grid.scale.elements(); ++i) {
    const double scale = value_as_double(grid.scale, i);
    if (!(scale > 0) || std::isinf(scale))
      fail(ErrorCode::numeric, "scale ", scale, " at index ", i, " is not a positive finite number");
  }
  constexpr int64_t kMostZero = int64_t{1} << 30;  // so that q - z fits int32
  if (is_float(grid.zero.dtype()) || grid.zero.empty()) return;
  for (int64_t i = 0; i < grid.zero.elements(); ++i)
    if (const int64_t zero = value_as_int(grid.zero, i); std::abs(zero) > kMostZero)
      fail(ErrorCode::numeric, "zero point ", zero, " at index ", i, " is out of range");
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.elements() != b.elements()) return false;
  if (a.elements() != 1 && a.shape() != b.shape()) return false;
  return a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

bool all_zero(const Tensor& zero) {
  for (int64_t i = 0; i < zero.elements(); ++i)
    if (value_as_int(zero, i) != 0) return false;
  return true;
}

bool same_zero(const Tensor& a, const Tensor& b) {
  const bool float_a = is_float(a.dtype()), float_b = is_float(b.dtype());
  if (float_a || float_b) return same_bits(a, b);
  if (a.empty() || b.empty()) return all_zero(a) && all_zero(b);
  if (a.elements() != b.elements()) return false;
  return values_as_int(a) == values_as_int(b);
}

bool same_layout(const Grid& a, const Grid& b) {
  const bool single = a.scale.elements() <= 1 && b.scale.elements() <= 1 && a.zero.elements() <= 1 &&
                      b.zero.elements() <= 1 && a.layout.kind == Layout::tensor && b.layout.kind == Layout::tensor;
  return single || a.layout == b.layout;
}

}  // namespace

Tensor zero_tensor(const Format& format, Shape shape, std::span<const int32_t> zeros) {
  BW_CHECK(elements_of(shape) == static_cast<int64_t>(zeros.size()));
  const auto fits = [&](int32_t z) { return z >= format.code_min && z <= format.code_max; };
  if (!std::all_of(zeros.begin(), zeros.end(), fits)) return Tensor::of<int32_t>(std::move(shape), zeros);
  Tensor result(format.storage, std::move(shape));
  dispatch(format.storage, [&]<class T>(T*) {
    if constexpr (std::is_integral_v<T>)
      std::transform(zeros.begin(), zeros.end(), result.values<T>().begin(), [](int32_t z) { return static_cast<T>(z); });
  });
  return result;
}

Grid tensor_grid(const Format& format, float scale, int32_t zero) {
  Grid grid{&format, format.code_min, format.code_max, {}, Tensor::scalar(scale), {}, {}};
  if (format.is_integer) grid.zero = zero_tensor(format, {}, std::span<const int32_t>(&zero, 1));
  return grid;
}

Grid channel_grid(const Format& format, int axis, std::span<const float> scales, std::span<const int32_t> zeros) {
  const Shape shape = {static_cast<int64_t>(scales.size())};
  Grid grid{&format, format.code_min, format.code_max, {Layout::channel, axis, 0}, Tensor::of(shape, scales), {}, {}};
  const std::vector<int32_t> none(scales.size());
  if (format.is_integer) grid.zero = zero_tensor(format, shape, zeros.empty() ? std::span<const int32_t>(none) : zeros);
  return grid;
}

bool same_grid(const Grid& a, const Grid& b) {
  return a.format == b.format && a.qmin == b.qmin && a.qmax == b.qmax && same_layout(a, b) &&
         same_bits(a.scale, b.scale) && same_zero(a.zero, b.zero) && same_bits(a.table, b.table);
}

Shape parameter_shape(const Layout& layout, std::span<const int64_t> shape) {
  if (layout.kind == Layout::tensor) return {};
  const auto axis = static_cast<size_t>(axis_of(layout, shape));
  if (layout.kind == Layout::channel) return {shape[axis]};
  if (layout.block_size <= 0) fail(ErrorCode::mismatch, "block size ", layout.block_size, " is not positive");
  Shape result(shape.begin(), shape.end());
  result[axis] = (shape[axis] + layout.block_size - 1) / layout.block_size;
  return result;
}

void verify(const Grid& grid, std::span<const int64_t> shape) {
  BW_CHECK(grid.format != nullptr);
  if (grid.qmin > grid.qmax || grid.qmin < grid.format->code_min || grid.qmax > grid.format->code_max)
    fail(ErrorCode::mismatch, "codes ", grid.qmin, " to ", grid.qmax, " are not within ", grid.format->name);
  verify_shape(grid.scale, "scale", grid, shape);
  verify_shape(grid.zero, "zero point", grid, shape);
  verify_values(grid);
}

std::vector<ParamRun> parameter_runs(const Layout& layout, std::span<const int64_t> shape) {
  const int64_t total = elements_of(shape);
  if (total == 0) return {};
  if (elements_of(parameter_shape(layout, shape)) == 1) return {{0, total, 0, 0}};
  const auto axis = static_cast<size_t>(axis_of(layout, shape));
  const int64_t inner = elements_of(shape.subspan(axis + 1)), extent = shape[axis], outer = total / (extent * inner);
  std::vector<ParamRun> runs;
  if (layout.kind == Layout::channel && inner == 1) {
    for (int64_t o = 0; o < outer; ++o) runs.push_back({o * extent, extent, 0, 1});
  } else if (layout.kind == Layout::channel) {
    for (int64_t r = 0; r < outer * extent; ++r) runs.push_back({r * inner, inner, r % extent, 0});
  } else {
    const int64_t blocks = (extent + layout.block_size - 1) / layout.block_size;
    const int64_t step = inner == 1 ? layout.block_size : 1;  // rows of one block are one run when they are contiguous
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t a = 0; a < extent; a += step)
        runs.push_back({(o * extent + a) * inner, std::min(step, extent - a) * inner,
                        (o * blocks + a / layout.block_size) * inner, inner == 1 ? 0 : 1});
  }
  return runs;
}

}  // namespace bitwright
