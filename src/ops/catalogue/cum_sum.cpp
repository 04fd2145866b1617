// CumSum along one axis, forwards or backwards, with or without the element itself.
#include "ops/convert.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

template <class N>
void accumulate(const OpContext& c, const Tensor& x, Tensor& y, const AxisSplit& s) {
  const bool exclusive = c.node().attr_int("exclusive", 0) != 0, reverse = c.node().attr_int("reverse", 0) != 0;
  std::vector<N> values(static_cast<size_t>(x.elements()));
  read_numbers(x, 0, x.elements(), values.data());
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      N sum = 0;
      for (int64_t j = 0; j < s.size; ++j) {
        N& place = values[static_cast<size_t>((o * s.size + (reverse ? s.size - 1 - j : j)) * s.inner + i)];
        const N before = sum;
        if constexpr (std::is_same_v<N, int64_t>) sum = static_cast<N>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(place));
        else sum += place;
        place = exclusive ? before : sum;
      }
    }
  write_numbers(y, 0, x.elements(), values.data());
}

void run_cum_sum(OpContext& c) {
  const Tensor& x = c.input(0);
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only()) return;
  if (c.data(1).elements() != 1) c.malformed(str("the axis has shape ", to_string(c.input(1).shape())));
  const AxisSplit s(x.shape(), normal_axis(c, value_as_int(c.data(1), 0), x.rank()));
  if (is_float(x.dtype())) return accumulate<double>(c, c.data(0), y, s);
  accumulate<int64_t>(c, c.data(0), y, s);
}

const Op kOps[] = {{.name = "CumSum", .min_inputs = 2, .max_inputs = 2, .since = 11, .run = run_cum_sum}};

}  // namespace

std::span<const Op> ops_cum_sum() { return kOps; }

}  // namespace bitwright
