#include "ops/convolution.hpp"

#include <algorithm>

namespace bitwright {

Shape Convolution::output_shape() const {
  Shape shape = {batch, features};
  for (const int64_t extent : w.out_shape()) shape.push_back(extent);
  return shape;
}

Convolution read_convolution(const OpContext& c, size_t x_input, size_t weights_input, size_t bias) {
  const Shape &x = c.input(x_input).shape(), &weights = c.input(weights_input).shape();
  if (weights.size() != x.size())
    c.malformed(str("input ", to_string(x), " and weights ", to_string(weights), " have different ranks"));
  const Shape kernel(weights.begin() + std::min<std::ptrdiff_t>(2, std::ssize(weights)), weights.end());
  if (c.node().attr_ints("kernel_shape", kernel) != kernel)
    c.malformed(str("kernel_shape differs from the weights' ", to_string(weights)));
  Convolution p;
  p.w = read_window(c, x, kernel);
  p.batch = x[0], p.channels = x[1], p.groups = c.node().attr_int("group", 1), p.features = weights[0];
  if (p.groups < 1 || p.features % p.groups != 0 || p.channels % p.groups != 0 ||
      weights[1] != p.channels / p.groups) {
    c.malformed(str("weights ", to_string(weights), " do not fit ", p.channels, " input channels in ", p.groups,
                    " groups"));
  }
  if (c.has(bias) && c.input(bias).shape() != Shape{p.features})
    c.malformed(str("the bias has shape ", to_string(c.input(bias).shape()), ", wanted [", p.features, "]"));
  return p;
}

}  // namespace bitwright
