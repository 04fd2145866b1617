// Elements chosen by a condition or a position: Where, Compress, NonZero, Trilu, ReverseSequence.
#include <algorithm>

#include "ops/broadcast.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

void run_where(OpContext& c) {
  const Tensor &condition = c.input(0), &x = c.input(1), &y = c.input(2);
  if (condition.dtype() != DType::boolean) c.malformed(str("the condition is ", name_of(condition.dtype()), ", wanted bool"));
  if (x.dtype() != y.dtype()) c.malformed(str("the choices are ", name_of(x.dtype()), " and ", name_of(y.dtype())));
  const Shape shape = broadcast_shapes(c, condition.shape(), broadcast_shapes(c, x.shape(), y.shape()));
  Tensor out = c.output(0, x.dtype(), shape);
  if (c.shape_only() || out.elements() == 0) return;
  const int64_t inner = shape.empty() ? 1 : shape.back();
  auto strides = [&](const Tensor& t) {
    Shape s = broadcast_strides(t.shape(), shape);
    if (s.empty()) s.push_back(0);
    return s;
  };
  const Shape sc = strides(condition), sx = strides(x), sy = strides(y);
  const bool* test = c.data(0).values<bool>().data();
  const Tensor other = unpacked(c.data(2));
  move_elements(c.data(1), out, [&]<class U>(const U* a, U* to) {
    const U* b = units<U>(other);
    c.parallel(out.elements() / inner, std::max<int64_t>(1, 16384 / inner), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t at_c = 0, at_a = 0, at_b = 0, rest = row;
        for (size_t d = shape.size(); d-- > 1; rest /= shape[d - 1]) {
          const int64_t index = rest % shape[d - 1];
          at_c += index * sc[d - 1];
          at_a += index * sx[d - 1];
          at_b += index * sy[d - 1];
        }
        for (int64_t i = 0; i < inner; ++i)
          to[row * inner + i] = test[at_c + i * sc.back()] ? a[at_a + i * sx.back()] : b[at_b + i * sy.back()];
      }
    });
  });
}

void run_compress(OpContext& c) {
  const bool flat = !c.node().has_attr("axis");
  const Tensor& given = c.input(0);
  const Shape in = flat ? Shape{given.elements()} : given.shape();
  const int64_t axis = flat ? 0 : normal_axis(c, c.node().attr_int("axis", 0), given.rank());
  const AxisSplit s(in, axis);
  const auto condition = values_as_int(c.data(1));
  std::vector<int64_t> chosen;
  for (size_t i = 0; i < condition.size(); ++i)
    if (condition[i] != 0) chosen.push_back(static_cast<int64_t>(i));
  if (!chosen.empty() && chosen.back() >= s.size) c.malformed(str("the condition chooses ", chosen.back(), " of ", s.size));
  Shape shape = in;
  shape[static_cast<size_t>(axis)] = static_cast<int64_t>(chosen.size());
  Tensor y = c.output(0, given.dtype(), shape);
  if (c.shape_only()) return;
  move_elements(c.data(0), y, [&](auto* from, auto* to) {
    for (int64_t o = 0; o < s.outer; ++o)
      for (const int64_t at : chosen) to = std::copy_n(from + (o * s.size + at) * s.inner, s.inner, to);
  });
}

void run_non_zero(OpContext& c) {
  const Tensor& x = c.data(0);
  std::vector<int64_t> places;
  for (int64_t i = 0; i < x.elements(); ++i)
    if (value_as_double(x, i) != 0) places.push_back(i);
  const auto count = static_cast<int64_t>(places.size());
  Tensor& y = c.output(0, DType::i64, {x.rank(), count});
  if (c.shape_only()) return;
  int64_t* to = y.values<int64_t>().data();
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = places[static_cast<size_t>(i)];
    for (int64_t d = x.rank(); d-- > 0; rest /= x.dim(d)) to[d * count + i] = rest % x.dim(d);
  }
}

void run_trilu(OpContext& c) {
  const Tensor& x = c.input(0);
  if (x.rank() < 2) c.malformed(str("input has shape ", to_string(x.shape()), ", wanted matrices"));
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only() || x.elements() == 0) return;
  const bool upper = c.node().attr_int("upper", 1) != 0;
  const int64_t rows = x.dim(-2), columns = x.dim(-1);
  const int64_t k = std::clamp(c.has(1) ? value_as_int(c.data(1), 0) : 0, -rows, columns);
  move_elements(c.data(0), y, [&]<class U>(const U* from, U* to) {
    c.parallel(x.elements() / columns, std::max<int64_t>(1, 16384 / columns), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        // The diagonal: upper keeps columns from here on, lower those up to and with it.
        const int64_t split = std::clamp<int64_t>(row % rows + k + (upper ? 0 : 1), 0, columns);
        const U *x0 = from + row * columns, *x1 = x0 + split, *x2 = x0 + columns;
        U *y0 = to + row * columns, *y1 = y0 + split, *y2 = y0 + columns;
        upper ? std::fill(y0, y1, U()) : void(std::copy(x0, x1, y0));
        upper ? void(std::copy(x1, x2, y1)) : std::fill(y1, y2, U());
      }
    });
  });
}

void run_reverse_sequence(OpContext& c) {
  const Tensor& x = c.input(0);
  if (x.rank() < 2) c.malformed(str("input has shape ", to_string(x.shape()), ", wanted at least 2 dimensions"));
  const int64_t batch_axis = c.node().attr_int("batch_axis", 1), time_axis = c.node().attr_int("time_axis", 0);
  if (batch_axis + time_axis != 1 || batch_axis * time_axis != 0)
    c.malformed(str("batch_axis is ", batch_axis, " and time_axis ", time_axis));
  const int64_t batch = x.dim(batch_axis), time = x.dim(time_axis);
  if (c.input(1).shape() != Shape{batch})
    c.malformed(str("lengths have shape ", to_string(c.input(1).shape()), ", wanted [", batch, "]"));
  Tensor y = c.output(0, x.dtype(), x.shape());
  if (c.shape_only() || x.elements() == 0) return;
  const auto lengths = values_as_int(c.data(1));
  const int64_t run = x.elements() / (batch * time);
  const int64_t batch_step = batch_axis == 0 ? time * run : run, time_step = time_axis == 0 ? batch * run : run;
  for (const int64_t length : lengths)
    if (length < 0 || length > time) c.malformed(str("length ", length, " is outside ", time));
  move_elements(c.data(0), y, [&](auto* from, auto* to) {
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t t = 0; t < time; ++t) {
        const int64_t length = lengths[static_cast<size_t>(b)];
        const int64_t source = t < length ? length - 1 - t : t;
        std::copy_n(from + b * batch_step + source * time_step, run, to + b * batch_step + t * time_step);
      }
  });
}

const Op kOps[] = {
    {.name = "Where", .min_inputs = 3, .max_inputs = 3, .since = 9, .run = run_where,
     .quant = {.kind = QuantRule::Kind::shared, .data_inputs = {1, 2}}},
    {.name = "Compress", .min_inputs = 2, .max_inputs = 2, .since = 9, .run = run_compress,
     .quant = {.kind = QuantRule::Kind::shared}},
    {.name = "NonZero", .since = 9, .run = run_non_zero},
    {.name = "Trilu", .max_inputs = 2, .since = 14, .run = run_trilu},
    {.name = "ReverseSequence", .min_inputs = 2, .max_inputs = 2, .since = 10, .run = run_reverse_sequence,
     .quant = {.kind = QuantRule::Kind::shared}},
};

}  // namespace

std::span<const Op> ops_select() { return kOps; }

}  // namespace bitwright
