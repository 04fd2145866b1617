// Operators that only rename elements: Identity, Reshape, Flatten, Squeeze, Unsqueeze; and Shape and Size, which tell
// about them. All but the last two share their input's memory and its grid.
#include <algorithm>

#include "ops/forms.hpp"

namespace bitwright {
namespace {

void run_identity(OpContext& c) { c.forward(0, c.input(0)); }

Shape resolved(const OpContext& c, const Shape& from, Shape to) {
  const bool keep_zero = c.node().attr_int("allowzero", 0) != 0;
  int64_t known = 1, open = -1;
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 0 && !keep_zero) {
      if (d >= from.size()) c.malformed(str("shape ", to_string(to), " copies dimension ", d, " of ", to_string(from)));
      to[d] = from[d];
    }
    if (to[d] < -1 || (to[d] == -1 && open >= 0)) c.malformed(str("cannot reshape to ", to_string(to)));
    if (to[d] == -1) open = static_cast<int64_t>(d);
    else if (__builtin_mul_overflow(known, to[d], &known)) c.malformed(str("cannot reshape to ", to_string(to)));
  }
  const int64_t elements = elements_of(from);
  if (open >= 0) {
    if (known == 0 || elements % known != 0) c.malformed(str("cannot reshape ", to_string(from), " to ", to_string(to)));
    to[static_cast<size_t>(open)] = elements / known;
  } else if (known != elements) {
    c.malformed(str("cannot reshape ", to_string(from), " to ", to_string(to)));
  }
  return to;
}

void run_reshape(OpContext& c) {
  const Tensor& x = c.input(0);
  if (c.input(1).rank() != 1) c.malformed(str("the shape has shape ", to_string(c.input(1).shape()), ", wanted a vector"));
  c.forward(0, x.reshaped(resolved(c, x.shape(), values_as_int(c.data(1)))));
}

void run_flatten(OpContext& c) {
  const Tensor& x = c.input(0);
  int64_t axis = c.node().attr_int("axis", 1);
  if (axis != x.rank()) axis = normal_axis(c, axis, x.rank());
  const auto cut = x.shape().begin() + axis;
  c.forward(0, x.reshaped({elements_of(Shape(x.shape().begin(), cut)), elements_of(Shape(cut, x.shape().end()))}));
}

// Which of `rank` axes are named by input 1.
std::vector<bool> marked_axes(const OpContext& c, int64_t rank) {
  std::vector<bool> marked(static_cast<size_t>(rank), false);
  for (const int64_t axis : values_as_int(c.data(1))) {
    const auto at = static_cast<size_t>(normal_axis(c, axis, rank));
    if (marked[at]) c.malformed(str("axis ", axis, " is named twice"));
    marked[at] = true;
  }
  return marked;
}

void run_squeeze(OpContext& c) {
  const Tensor& x = c.input(0);
  Shape shape;
  if (!c.has(1)) {
    for (const int64_t extent : x.shape())
      if (extent != 1) shape.push_back(extent);
    return c.forward(0, x.reshaped(shape));
  }
  const auto marked = marked_axes(c, x.rank());
  for (size_t d = 0; d < marked.size(); ++d) {
    if (!marked[d]) shape.push_back(x.shape()[d]);
    else if (x.shape()[d] != 1) c.malformed(str("axis ", d, " of ", to_string(x.shape()), " is not 1"));
  }
  c.forward(0, x.reshaped(shape));
}

void run_unsqueeze(OpContext& c) {
  const Tensor& x = c.input(0);
  const auto marked = marked_axes(c, x.rank() + c.input(1).elements());
  Shape shape;
  size_t next = 0;
  for (const bool added : marked) shape.push_back(added ? 1 : x.shape()[next++]);
  c.forward(0, x.reshaped(shape));
}

void run_shape(OpContext& c) {
  const Shape& shape = c.input(0).shape();
  const auto rank = static_cast<int64_t>(shape.size());
  auto bound = [&](const char* key, int64_t fallback) {
    const int64_t at = c.node().attr_int(key, fallback);
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const int64_t start = bound("start", 0), end = std::max(start, bound("end", rank));
  c.forward(0, Tensor::of<int64_t>({end - start}, std::span(shape).subspan(static_cast<size_t>(start),
                                                                           static_cast<size_t>(end - start))));
}

void run_size(OpContext& c) { c.forward(0, Tensor::scalar<int64_t>(c.input(0).elements())); }

void upgrade_axes(UpgradeContext& u) { u.attribute_to_input("axes", 1); }
bool downgrade_axes(UpgradeContext& u) { return input_to_attribute(u, 1, "axes"); }

void upgrade_reshape(UpgradeContext& u) {
  u.attribute_to_input("shape", 1);
  drop_attribute(u, "allowzero", 0);  // the default; older opsets do not know it
}
bool downgrade_reshape(UpgradeContext& u) { return u.opset >= 5 && drop_attribute(u, "allowzero", 0); }

bool downgrade_shape(UpgradeContext& u) { return drop_attribute(u, "start", 0) && !u.node.has_attr("end"); }

const QuantRule kShared = {.kind = QuantRule::Kind::shared};

const Op kOps[] = {
    {.name = "Identity", .run = run_identity, .quant = kShared},
    {.name = "Reshape", .min_inputs = 2, .max_inputs = 2, .since = 14, .run = run_reshape, .upgrade = upgrade_reshape,
     .downgrade = downgrade_reshape, .quant = kShared},
    {.name = "Flatten", .run = run_flatten, .quant = kShared},
    {.name = "Squeeze", .max_inputs = 2, .since = 13, .run = run_squeeze, .upgrade = upgrade_axes,
     .downgrade = downgrade_axes, .quant = kShared},
    {.name = "Unsqueeze", .min_inputs = 2, .max_inputs = 2, .since = 13, .run = run_unsqueeze,
     .upgrade = upgrade_axes, .downgrade = downgrade_axes, .quant = kShared},
    {.name = "Shape", .since = 15, .run = run_shape, .downgrade = downgrade_shape},
    {.name = "Size", .run = run_size},
};

}  // namespace

std::span<const Op> ops_reshape() { return kOps; }

}  // namespace bitwright
