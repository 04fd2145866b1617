// The Reduce family. The reduced axes are brought to the end (a copy only where they are not there already), so each
// output is one contiguous run. Runs are combined in eight interleaved partial results, in double or int64, whatever the
// number of threads.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/convert.hpp"
#include "ops/forms.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

constexpr int64_t kBlock = 1024;
constexpr size_t kLanes = 8;

// map(v) of every element of a run, combined; `start` is neutral.
template <class N, class Map, class Combine>
N combine_run(const Tensor& x, int64_t at, int64_t count, N start, Map map, Combine combine) {
  std::array<N, kLanes> partial;
  partial.fill(start);
  std::array<N, kBlock> block;
  for (const int64_t end = at + count; at < end; at += kBlock) {
    const auto size = static_cast<size_t>(std::min(kBlock, end - at));
    read_numbers(x, at, static_cast<int64_t>(size), block.data());
    size_t i = 0;
    for (; i + kLanes <= size; i += kLanes)
      for (size_t j = 0; j < kLanes; ++j) partial[j] = combine(partial[j], map(block[i + j]));
    for (size_t j = 0; i + j < size; ++j) partial[j] = combine(partial[j], map(block[i + j]));
  }
  for (size_t width = kLanes / 2; width > 0; width /= 2)
    for (size_t j = 0; j < width; ++j) partial[j] = combine(partial[j], partial[j + width]);
  return partial[0];
}

// Wraps around instead of overflowing.
template <class N>
N plus(N a, N b) {
  if constexpr (std::is_integral_v<N>) return static_cast<N>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return a + b;
}
template <class N>
N times(N a, N b) {
  if constexpr (std::is_integral_v<N>) return static_cast<N>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}

struct Runs {
  Tensor values;  // outputs x count, row-major
  int64_t outputs = 0, count = 0;
  DType type = DType::none;
};

template <class N>
N identity(N v) {
  return v;
}

template <class N>
N sum(const Runs& r, int64_t run) {
  return combine_run<N>(r.values, run * r.count, r.count, 0, identity<N>, plus<N>);
}
template <class N>
N mean(const Runs& r, int64_t run) {
  if (std::is_integral_v<N> && r.count == 0) return 0;  // floats: 0 / 0
  return sum<N>(r, run) / static_cast<N>(r.count);
}
template <class N>
N product(const Runs& r, int64_t run) {
  return combine_run<N>(r.values, run * r.count, r.count, 1, identity<N>, times<N>);
}
template <class N>
N l1(const Runs& r, int64_t run) {
  return combine_run<N>(r.values, run * r.count, r.count, 0, [](N v) { return v < 0 ? times<N>(v, -1) : v; }, plus<N>);
}
template <class N>
N sum_square(const Runs& r, int64_t run) {
  return combine_run<N>(r.values, run * r.count, r.count, 0, [](N v) { return times(v, v); }, plus<N>);
}
template <class N>
N l2(const Runs& r, int64_t run) {
  return static_cast<N>(std::sqrt(static_cast<double>(sum_square<N>(r, run))));
}
template <class N>
N log_sum(const Runs& r, int64_t run) {
  return static_cast<N>(std::log(static_cast<double>(sum<N>(r, run))));
}

// u64 travels as int64 bits: flipping the top bit makes the order right.
template <class N>
N ordered(N v, DType type) {
  if constexpr (std::is_integral_v<N>) return type == DType::u64 ? v ^ INT64_MIN : v;
  else return v;
}

// The least (largest) number of an integer type as it travels; infinities for floats.
template <class N>
N limit_of(DType type, bool largest) {
  if constexpr (!std::is_integral_v<N>) {
    return largest ? INFINITY : -INFINITY;
  } else {
    if (type == DType::boolean) return largest;
    if (bits_of(type) == 64) return largest ? INT64_MAX : INT64_MIN;
    const int bits = bits_of(type) - (is_signed(type) ? 1 : 0);
    return largest ? (N{1} << bits) - 1 : is_signed(type) ? -(N{1} << bits) : 0;
  }
}

template <class N>
N maximum(const Runs& r, int64_t run) {
  return ordered(combine_run<N>(r.values, run * r.count, r.count, limit_of<N>(r.type, false),
                                [&](N v) { return ordered(v, r.type); }, [](N a, N b) { return a > b || a != a ? a : b; }),
                 r.type);
}
template <class N>
N minimum(const Runs& r, int64_t run) {
  return ordered(combine_run<N>(r.values, run * r.count, r.count, limit_of<N>(r.type, true),
                                [&](N v) { return ordered(v, r.type); }, [](N a, N b) { return a < b || a != a ? a : b; }),
                 r.type);
}

// log(sum(e^v)) with the largest taken out first.
template <class N>
N log_sum_exp(const Runs& r, int64_t run) {
  const auto largest = static_cast<double>(maximum<N>(r, run));
  if (std::isinf(largest) || r.count == 0) return static_cast<N>(r.count == 0 ? -INFINITY : largest);
  std::array<N, kBlock> block;
  double total = 0;
  for (int64_t at = run * r.count, end = at + r.count; at < end; at += kBlock) {
    const int64_t size = std::min(kBlock, end - at);
    read_numbers(r.values, at, size, block.data());
    for (int64_t i = 0; i < size; ++i) total += std::exp(static_cast<double>(block[static_cast<size_t>(i)]) - largest);
  }
  return static_cast<N>(largest + std::log(total));
}

std::vector<bool> reduced_axes(const OpContext& c) {
  const Tensor& x = c.input(0);
  const auto axes = c.has(1) ? values_as_int(c.data(1)) : std::vector<int64_t>();
  std::vector<bool> reduced(x.shape().size(), axes.empty());
  for (const int64_t axis : axes) reduced[static_cast<size_t>(normal_axis(c, axis, x.rank()))] = true;
  return reduced;
}

Runs gather_runs(const OpContext& c, const std::vector<bool>& reduced) {
  const Tensor& x = c.data(0);
  Runs runs;
  runs.type = x.dtype();
  runs.count = 1;
  const Shape strides = strides_of(x.shape());
  Shape extent;
  Walk from;
  bool moved = false;
  for (const bool pass : {false, true})  // kept axes first, then reduced ones
    for (size_t d = 0; d < reduced.size(); ++d) {
      if (reduced[d] != pass) continue;
      moved = moved || extent.size() != d;
      extent.push_back(x.shape()[d]);
      from.strides.push_back(strides[d]);
      if (pass) runs.count *= x.shape()[d];
    }
  if (!moved || bits_of(x.dtype()) < 8) return runs.values = x, runs;
  runs.values = Tensor(x.dtype(), extent);
  copy_strided(c, extent, x, from, runs.values, {0, strides_of(extent)});
  return runs;
}

template <class N>
void reduce(OpContext& c, const std::vector<bool>& reduced, Tensor& y, N (*f)(const Runs&, int64_t)) {
  const Runs runs = gather_runs(c, reduced);
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, runs.count));
  c.parallel(y.elements(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const N value = f(runs, i);
      write_numbers(y, i, 1, &value);
    }
  });
}

using OnReals = double (*)(const Runs&, int64_t);
using OnIntegers = int64_t (*)(const Runs&, int64_t);

void run_reduce(OpContext& c, OnReals on_reals, OnIntegers on_integers) {
  const Tensor& x = c.input(0);
  if (bits_of(x.dtype()) < 8) c.malformed(str("cannot reduce ", name_of(x.dtype())));
  const bool no_axes = !c.has(1) || c.input(1).elements() == 0;
  if (no_axes && c.node().attr_int("noop_with_empty_axes", 0) != 0) return c.forward(0, x);
  const auto reduced = reduced_axes(c);
  const bool keep = c.node().attr_int("keepdims", 1) != 0;
  Shape shape;
  for (size_t d = 0; d < reduced.size(); ++d)
    if (!reduced[d] || keep) shape.push_back(reduced[d] ? 1 : x.shape()[d]);
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only()) return;
  if (is_float(x.dtype())) return reduce(c, reduced, y, on_reals);
  reduce(c, reduced, y, on_integers);
}

void run_sum(OpContext& c) { run_reduce(c, sum<double>, sum<int64_t>); }
void run_mean(OpContext& c) { run_reduce(c, mean<double>, mean<int64_t>); }
void run_prod(OpContext& c) { run_reduce(c, product<double>, product<int64_t>); }
void run_max(OpContext& c) { run_reduce(c, maximum<double>, maximum<int64_t>); }
void run_min(OpContext& c) { run_reduce(c, minimum<double>, minimum<int64_t>); }
void run_l1(OpContext& c) { run_reduce(c, l1<double>, l1<int64_t>); }
void run_l2(OpContext& c) { run_reduce(c, l2<double>, l2<int64_t>); }
void run_log_sum(OpContext& c) { run_reduce(c, log_sum<double>, log_sum<int64_t>); }
void run_log_sum_exp(OpContext& c) { run_reduce(c, log_sum_exp<double>, log_sum_exp<int64_t>); }
void run_sum_square(OpContext& c) { run_reduce(c, sum_square<double>, sum_square<int64_t>); }

// Axes became an input with opset 18, for ReduceSum with 13.
void upgrade_reduce(UpgradeContext& u) { u.attribute_to_input("axes", 1); }
bool downgrade_reduce(UpgradeContext& u) {
  return drop_attribute(u, "noop_with_empty_axes", 0) && input_to_attribute(u, 1, "axes");
}

Op reduction(std::string_view name, int since, void (*run)(OpContext&)) {
  Op op{};
  op.name = name;
  op.max_inputs = 2;
  op.since = since;
  op.run = run;
  op.upgrade = upgrade_reduce;
  op.downgrade = downgrade_reduce;
  return op;
}

const Op kOps[] = {
    reduction("ReduceSum", 13, run_sum),
    reduction("ReduceMean", 18, run_mean),
    reduction("ReduceProd", 18, run_prod),
    reduction("ReduceMax", 18, run_max),
    reduction("ReduceMin", 18, run_min),
    reduction("ReduceL1", 18, run_l1),
    reduction("ReduceL2", 18, run_l2),
    reduction("ReduceLogSum", 18, run_log_sum),
    reduction("ReduceLogSumExp", 18, run_log_sum_exp),
    reduction("ReduceSumSquare", 18, run_sum_square),
};

}  // namespace

std::span<const Op> ops_reduce() { return kOps; }

}  // namespace bitwright
