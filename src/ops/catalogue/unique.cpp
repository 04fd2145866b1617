// Unique: the different elements, or sub-tensors along an axis, in ascending order or in the order they first occur.
#include <algorithm>
#include <numeric>

#include "ops/move.hpp"

namespace bitwright {
namespace {

struct Found {
  std::vector<int64_t> first, inverse, counts;  // per unique item, per item, per unique item
};

// `less` orders items 0 ... count - 1.
Found find_unique(int64_t count, bool sorted, const std::function<bool(int64_t, int64_t)>& less) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), less);
  Found found;
  found.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || less(order[i - 1], order[i])) {
      found.first.push_back(order[i]);
      found.counts.push_back(0);
    }
    found.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(found.first.size()) - 1;
    ++found.counts.back();
  }
  if (sorted) return found;
  std::vector<int64_t> rank(found.first.size()), place(found.first.size());
  std::iota(rank.begin(), rank.end(), 0);
  std::sort(rank.begin(), rank.end(), [&](int64_t a, int64_t b) {
    return found.first[static_cast<size_t>(a)] < found.first[static_cast<size_t>(b)];
  });
  Found reordered;
  for (size_t i = 0; i < rank.size(); ++i) {
    const auto from = static_cast<size_t>(rank[i]);
    place[from] = static_cast<int64_t>(i);
    reordered.first.push_back(found.first[from]);
    reordered.counts.push_back(found.counts[from]);
  }
  for (const int64_t index : found.inverse) reordered.inverse.push_back(place[static_cast<size_t>(index)]);
  return reordered;
}

Found find_in(const Tensor& x, const AxisSplit& s, bool sorted) {
  auto compare = [&](const auto* values) {
    return find_unique(s.size, sorted, [&, values](int64_t a, int64_t b) {
      for (int64_t o = 0; o < s.outer; ++o)
        for (int64_t i = 0; i < s.inner; ++i) {
          const auto &va = values[(o * s.size + a) * s.inner + i], &vb = values[(o * s.size + b) * s.inner + i];
          if (va < vb) return true;
          if (vb < va) return false;
        }
      return false;
    });
  };
  if (x.dtype() == DType::string) return compare(x.strings().data());
  return dispatch(x.dtype(), [&]<class T>(T*) { return compare(x.values<T>().data()); });
}

void run_unique(OpContext& c) {
  const bool flat = !c.node().has_attr("axis");
  const Tensor& x = c.data(0);
  const Shape in = flat ? Shape{x.elements()} : x.shape();
  const int64_t axis = flat ? 0 : normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  const AxisSplit s(in, axis);
  const Found found = find_in(x, s, c.node().attr_int("sorted", 1) != 0);
  const auto count = static_cast<int64_t>(found.first.size());
  Shape shape = in;
  shape[static_cast<size_t>(axis)] = count;
  Tensor y = c.output(0, x.dtype(), shape);
  c.forward(1, Tensor::of<int64_t>({count}, found.first));
  c.forward(2, Tensor::of<int64_t>({s.size}, found.inverse));
  c.forward(3, Tensor::of<int64_t>({count}, found.counts));
  if (c.shape_only()) return;
  move_elements(x, y, [&](auto* from, auto* to) {
    for (int64_t o = 0; o < s.outer; ++o)
      for (const int64_t at : found.first) to = std::copy_n(from + (o * s.size + at) * s.inner, s.inner, to);
  });
}

const Op kOps[] = {{.name = "Unique", .max_outputs = 4, .since = 11, .run = run_unique}};

}  // namespace

std::span<const Op> ops_unique() { return kOps; }

}  // namespace bitwright
