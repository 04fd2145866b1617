// ScatterElements (Scatter before opset 11) and ScatterND: a copy of the data in which updates take the place of, or are
// reduced with, the elements at the given indices, in the order of the updates.
#include <algorithm>

#include "ops/move.hpp"

namespace bitwright {
namespace {

enum class Reduction { none, add, mul, max, min };

Reduction read_reduction(const OpContext& c) {
  const std::string name = c.node().attr_string("reduction", "none");
  if (name == "none") return Reduction::none;
  if (name == "add") return Reduction::add;
  if (name == "mul") return Reduction::mul;
  if (name == "max") return Reduction::max;
  if (name == "min") return Reduction::min;
  c.malformed(str("reduction is '", name, "', wanted none, add, mul, max or min"));
}

int64_t checked_index(const OpContext& c, int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) c.malformed(str("index ", index, " is outside ", extent));
  return index < 0 ? index + extent : index;
}

template <class T>
T reduced(Reduction reduction, T a, T b) {
  switch (reduction) {
    case Reduction::add: return static_cast<T>(a + b);
    case Reduction::mul:
      if constexpr (std::is_same_v<T, bool>) return a && b;
      else return static_cast<T>(a * b);
    case Reduction::max: return b > a ? b : a;
    case Reduction::min: return b < a ? b : a;
    default: return b;
  }
}

// places[i]: where run i of `run` updates goes in y.
void scatter(const OpContext& c, const std::vector<int64_t>& places, int64_t run, const Tensor& updates, Tensor& y) {
  const Reduction reduction = read_reduction(c);
  const auto count = static_cast<int64_t>(places.size());
  if (reduction == Reduction::none) {
    return move_elements(updates, y, [&](auto* from, auto* to) {
      for (int64_t i = 0; i < count; ++i)
        std::copy(from + i * run, from + (i + 1) * run, to + places[static_cast<size_t>(i)]);
    });
  }
  dispatch(y.dtype(), [&]<class T>(T*) {
    const T* from = updates.values<T>().data();
    T* to = y.values<T>().data();
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < run; ++j) {
        T& place = to[places[static_cast<size_t>(i)] + j];
        place = reduced(reduction, place, from[i * run + j]);
      }
  });
}

Tensor copy_of_data(OpContext& c) {
  const Tensor& x = c.input(0);
  if (c.input(2).dtype() != x.dtype())
    c.malformed(str("updates are ", name_of(c.input(2).dtype()), ", data ", name_of(x.dtype())));
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (!c.shape_only()) copy_strided(c, x.shape(), c.data(0), {0, strides_of(x.shape())}, y, {0, strides_of(x.shape())});
  return y;
}

void run_scatter_elements(OpContext& c) {
  const Tensor& x = c.input(0);
  const Shape shape = c.input(1).shape();
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  bool fits = c.input(1).rank() == x.rank() && c.input(2).shape() == shape;
  for (size_t d = 0; fits && d < shape.size(); ++d) fits = static_cast<int64_t>(d) == axis || shape[d] <= x.shape()[d];
  if (!fits)
    c.malformed(str("indices ", to_string(shape), " and updates ", to_string(c.input(2).shape()), " do not fit data ",
                    to_string(x.shape())));
  Tensor y = copy_of_data(c);
  if (c.shape_only()) return;
  Shape strides = strides_of(x.shape());
  const int64_t step = strides[static_cast<size_t>(axis)];
  strides[static_cast<size_t>(axis)] = 0;
  std::vector<int64_t> places = values_as_int(c.data(1));
  size_t i = 0;
  for_each_position(shape, strides, [&](int64_t at) {
    places[i] = at + checked_index(c, places[i], x.dim(axis)) * step;
    ++i;
  });
  scatter(c, places, 1, c.data(2), y);
}

void run_scatter_nd(OpContext& c) {
  const Tensor& x = c.input(0);
  const Tensor& index = c.input(1);
  const int64_t depth = index.rank() > 0 ? index.dim(-1) : -1;
  if (depth < 0 || depth > x.rank())
    c.malformed(str("indices ", to_string(index.shape()), " do not fit data ", to_string(x.shape())));
  Shape wanted(index.shape().begin(), index.shape().end() - 1);
  wanted.insert(wanted.end(), x.shape().begin() + depth, x.shape().end());
  if (c.input(2).shape() != wanted)
    c.malformed(str("updates have shape ", to_string(c.input(2).shape()), ", wanted ", to_string(wanted)));
  Tensor y = copy_of_data(c);
  if (c.shape_only() || c.input(2).elements() == 0) return;
  const Shape strides = strides_of(x.shape());
  const int64_t run = elements_of(Shape(x.shape().begin() + depth, x.shape().end()));
  const auto indices = values_as_int(c.data(1));
  std::vector<int64_t> places(static_cast<size_t>(c.input(2).elements() / run), 0);
  for (size_t i = 0; i < places.size(); ++i)
    for (size_t d = 0; d < static_cast<size_t>(depth); ++d)
      places[i] += checked_index(c, indices[i * static_cast<size_t>(depth) + d], x.shape()[d]) * strides[d];
  scatter(c, places, run, c.data(2), y);
}

void upgrade_scatter(UpgradeContext& u) { u.node.op = "ScatterElements"; }

// Adding came with opset 16, maximum and minimum with 18.
bool downgrade_scatter(UpgradeContext& u) {
  const std::string reduction = u.node.attr_string("reduction", "none");
  if (u.opset >= 16) return reduction != "max" && reduction != "min";
  u.node.attributes.erase("reduction");
  return reduction == "none" && u.opset >= 11;
}

const Op kOps[] = {
    {.name = "Scatter", .min_inputs = 3, .max_inputs = 3, .run = run_scatter_elements, .upgrade = upgrade_scatter},
    {.name = "ScatterElements", .min_inputs = 3, .max_inputs = 3, .since = 18, .run = run_scatter_elements,
     .downgrade = downgrade_scatter},
    {.name = "ScatterND", .min_inputs = 3, .max_inputs = 3, .since = 18, .run = run_scatter_nd,
     .downgrade = downgrade_scatter},
};

}  // namespace

std::span<const Op> ops_scatter() { return kOps; }

}  // namespace bitwright
