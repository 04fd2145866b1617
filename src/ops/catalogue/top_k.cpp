// TopK, ArgMax, ArgMin: the largest or smallest elements along an axis. NaN counts as larger than every number, equal
// elements keep their order.
#include <algorithm>
#include <numeric>

#include "ops/forms.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

template <class T>
bool is_nan(T v) {
  if constexpr (std::is_integral_v<T>) return false;
  else return v != v;
}

// Strictly before in the order asked for.
template <class T>
bool before(T a, T b, bool largest) {
  if (is_nan(a) || is_nan(b)) return largest ? is_nan(a) && !is_nan(b) : !is_nan(a) && is_nan(b);
  return largest ? a > b : a < b;
}

template <class T>
void select(const T* x, int64_t size, int64_t stride, int64_t k, bool largest, std::vector<int64_t>& order) {
  order.resize(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
    const T va = x[a * stride], vb = x[b * stride];
    if (before(va, vb, largest)) return true;
    return !before(vb, va, largest) && a < b;
  });
}

void run_top_k(OpContext& c) {
  const Tensor& x = c.input(0);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", -1), x.rank());
  if (c.input(1).elements() != 1) c.malformed(str("K has shape ", to_string(c.input(1).shape()), ", wanted one number"));
  const int64_t k = value_as_int(c.data(1), 0);
  if (k < 0 || k > x.dim(axis)) c.malformed(str("K is ", k, ", the axis has ", x.dim(axis)));
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis)] = k;
  Tensor values = c.output(0, x.dtype(), shape);
  Tensor indices = c.output(1, DType::i64, shape);
  if (c.shape_only() || values.elements() == 0) return;
  const bool largest = c.node().attr_int("largest", 1) != 0;
  const AxisSplit s(x.shape(), axis);
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = c.data(0).values<T>().data();
    T* to = values.values<T>().data();
    int64_t* to_index = indices.values<int64_t>().data();
    c.parallel(s.outer * s.inner, std::max<int64_t>(1, 4096 / s.size), [&](int64_t begin, int64_t end) {
      std::vector<int64_t> order;
      for (int64_t lane = begin; lane < end; ++lane) {
        const int64_t o = lane / s.inner, i = lane % s.inner;
        const T* first = from + o * s.size * s.inner + i;
        select(first, s.size, s.inner, k, largest, order);
        for (int64_t r = 0; r < k; ++r) {
          const int64_t place = (o * k + r) * s.inner + i;
          to_index[place] = order[static_cast<size_t>(r)];
          to[place] = first[order[static_cast<size_t>(r)] * s.inner];
        }
      }
    });
  });
}

void run_arg(OpContext& c) {
  const bool largest = c.node().op == "ArgMax", last = c.node().attr_int("select_last_index", 0) != 0;
  const Tensor& x = c.input(0);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  const AxisSplit s(x.shape(), axis);
  Shape shape = x.shape();
  if (c.node().attr_int("keepdims", 1) != 0) shape[static_cast<size_t>(axis)] = 1;
  else shape.erase(shape.begin() + axis);
  Tensor& y = c.output(0, DType::i64, shape);
  if (c.shape_only() || y.elements() == 0) return;
  if (s.size == 0) c.malformed("the axis is empty");
  int64_t* to = y.values<int64_t>().data();
  dispatch(x.dtype(), [&]<class T>(T*) {
    const T* from = c.data(0).values<T>().data();
    c.parallel(s.outer * s.inner, std::max<int64_t>(1, 16384 / s.size), [&](int64_t begin, int64_t end) {
      for (int64_t lane = begin; lane < end; ++lane) {
        const T* first = from + lane / s.inner * s.size * s.inner + lane % s.inner;
        int64_t best = 0;
        for (int64_t i = 1; i < s.size; ++i) {
          const T v = first[i * s.inner], held = first[best * s.inner];
          if (last ? !before(held, v, largest) : before(v, held, largest)) best = i;
        }
        to[lane] = best;
      }
    });
  });
}

// Before opset 10 K was an attribute.
void upgrade_top_k(UpgradeContext& u) {
  if (!u.node.has_attr("k")) return;
  u.node.inputs.resize(2);
  u.node.inputs[1] = u.constant("k", Tensor::of<int64_t>({1}, std::vector<int64_t>{u.node.attr_int("k", 0)}));
  u.node.attributes.erase("k");
}

bool downgrade_top_k(UpgradeContext& u) {
  if (!drop_attribute(u, "largest", 1) || !drop_attribute(u, "sorted", 1)) return false;
  if (u.opset >= 10) return true;
  const Tensor* k = constant_input(u, 1);
  if (!k || k->elements() != 1) return false;
  u.node.attributes["k"] = value_as_int(*k, 0);
  u.node.inputs.resize(1);
  return true;
}

bool downgrade_arg(UpgradeContext& u) { return drop_attribute(u, "select_last_index", 0); }

const Op kOps[] = {
    {.name = "TopK", .min_inputs = 2, .max_inputs = 2, .min_outputs = 2, .max_outputs = 2, .since = 11,
     .run = run_top_k, .upgrade = upgrade_top_k, .downgrade = downgrade_top_k},
    {.name = "ArgMax", .since = 12, .run = run_arg, .downgrade = downgrade_arg},
    {.name = "ArgMin", .since = 12, .run = run_arg, .downgrade = downgrade_arg},
};

}  // namespace

std::span<const Op> ops_top_k() { return kOps; }

}  // namespace bitwright
