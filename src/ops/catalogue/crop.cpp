// CenterCropPad, Col2Im and TensorScatter: data movement without arithmetic (Col2Im adds where blocks overlap).
#include <algorithm>
#include <cstring>

#include "ops/real.hpp"

namespace bitwright {
namespace {

size_t element_bytes(const OpContext& c, DType type) {
  if (type == DType::string || bits_of(type) % 8 != 0) c.unsupported(str("elements of type ", name_of(type)));
  return static_cast<size_t>(bits_of(type) / 8);
}

void run_center_crop_pad(OpContext& c) {
  const Tensor& x = c.input(0);
  Shape shape = x.shape();
  const std::vector<int64_t> wanted = values_as_int(c.data(1));
  std::vector<int64_t> axes = c.node().attr_ints("axes");
  if (axes.empty())
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  if (axes.size() != wanted.size()) c.malformed(str("shape has ", wanted.size(), " numbers for ", axes.size(), " axes"));
  for (size_t i = 0; i < axes.size(); ++i) {
    if (wanted[i] < 0) c.malformed(str("shape holds ", wanted[i]));
    shape[static_cast<size_t>(normal_axis(c, axes[i], x.rank()))] = wanted[i];
  }
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const size_t bytes = element_bytes(c, x.dtype());
  std::memset(y.raw(), 0, y.bytes());
  const Shape in = x.shape(), in_strides = strides_of(in);
  for (int64_t i = 0; i < y.elements(); ++i) {
    int64_t rest = i, from = 0;
    bool inside = true;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      const int64_t start = in[d] >= shape[d] ? (in[d] - shape[d]) / 2 : -((shape[d] - in[d]) / 2);
      const int64_t at = rest % shape[d] + start;
      inside = inside && at >= 0 && at < in[d];
      from += at * in_strides[d];
    }
    if (inside) std::memcpy(y.raw() + static_cast<size_t>(i) * bytes, x.raw() + static_cast<size_t>(from) * bytes, bytes);
  }
}

// x [N, C * prod(block), L]: column l holds the block at position l; blocks are added into the image.
void run_col2im(OpContext& c) {
  const std::vector<int64_t> image = values_as_int(c.data(1)), block = values_as_int(c.data(2));
  const size_t dims = image.size();
  const Shape& x_shape = c.input(0).shape();
  if (block.size() != dims || dims == 0 || x_shape.size() != 3) c.malformed("image_shape and block_shape do not fit");
  auto numbers = [&](const char* key, size_t count, int64_t fallback) {
    auto values = c.node().attr_ints(key, std::vector<int64_t>(count, fallback));
    if (values.size() != count) c.malformed(str(key, " has ", values.size(), " numbers, wanted ", count));
    return values;
  };
  const auto dilations = numbers("dilations", dims, 1), pads = numbers("pads", 2 * dims, 0), strides = numbers("strides", dims, 1);
  Shape steps(dims);
  for (size_t d = 0; d < dims; ++d) {
    if (strides[d] < 1 || dilations[d] < 1 || block[d] < 1 || image[d] < 1) c.malformed("an extent or step is below 1");
    steps[d] = (image[d] + pads[d] + pads[dims + d] - dilations[d] * (block[d] - 1) - 1) / strides[d] + 1;
  }
  const int64_t taps = elements_of(block), columns = elements_of(steps);
  if (x_shape[2] != columns || x_shape[1] % taps != 0)
    c.malformed(str("input ", to_string(x_shape), " does not hold ", columns, " blocks of ", taps));
  Shape shape = {x_shape[0], x_shape[1] / taps};
  shape.insert(shape.end(), image.begin(), image.end());
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const int64_t plane = elements_of(image);
  std::fill_n(y.data(), y.elements(), 0.0f);
  for (int64_t i = 0; i < x.tensor.elements(); ++i) {
    int64_t column = i % columns, tap = i / columns % taps, at = 0, stride = 1;
    bool inside = true;
    for (size_t d = dims; d-- > 0; column /= steps[d], tap /= block[d]) {
      const int64_t p = column % steps[d] * strides[d] - pads[d] + tap % block[d] * dilations[d];
      inside = inside && p >= 0 && p < image[d];
      at += p * stride;
      stride *= image[d];
    }
    if (inside) y.data()[i / columns / taps * plane + at] += x.data[i];
  }
  y.finish();
}

// Writes `update` into a copy of the cache at write_indices[batch] along `axis`; circular wraps around.
void run_tensor_scatter(OpContext& c) {
  const Tensor &cache = c.input(0), &update = c.input(1);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", -2), cache.rank());
  const std::string mode = c.node().attr_string("mode", "linear");
  Shape expected = cache.shape();
  if (axis == 0 || update.rank() != cache.rank()) c.malformed("the axis must not be the batch, and ranks must be equal");
  expected[static_cast<size_t>(axis)] = update.dim(axis);
  if (update.shape() != expected || update.dim(axis) > cache.dim(axis))
    c.malformed(str("update ", to_string(update.shape()), " does not fit the cache ", to_string(cache.shape())));
  Tensor y = c.output(0, cache.dtype(), cache.shape());
  if (c.shape_only() || y.elements() == 0) return;
  const size_t bytes = element_bytes(c, cache.dtype());
  std::memcpy(y.raw(), c.data(0).raw(), y.bytes());
  const auto inner = static_cast<size_t>(strides_of(cache.shape())[static_cast<size_t>(axis)]) * bytes;
  const int64_t extent = cache.dim(axis), count = update.dim(axis), rows = update.elements() == 0 ? 0 : elements_of(std::span(cache.shape()).first(static_cast<size_t>(axis)));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t start = c.has(2) ? value_as_int(c.data(2), row / (rows / cache.dim(0))) : 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = start + i;
      if (mode == "circular") at = (at % extent + extent) % extent;
      if (at < 0 || at >= extent) c.malformed(str("write index ", start, " does not fit an extent of ", extent));
      std::memcpy(y.raw() + static_cast<size_t>(row * extent + at) * inner,
                  c.data(1).raw() + static_cast<size_t>(row * count + i) * inner, inner);
    }
  }
}

const Op kOps[] = {
    {.name = "CenterCropPad", .min_inputs = 2, .max_inputs = 2, .since = 18, .run = run_center_crop_pad},
    {.name = "Col2Im", .min_inputs = 3, .max_inputs = 3, .since = 18, .run = run_col2im},
    {.name = "TensorScatter", .min_inputs = 2, .max_inputs = 3, .since = 24, .run = run_tensor_scatter},
};

}  // namespace

std::span<const Op> ops_crop() { return kOps; }

}  // namespace bitwright
