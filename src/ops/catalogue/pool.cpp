// MaxPool, AveragePool, LpPool and their global forms. Quantized: input and output share one grid, so that a maximum is a
// maximum of codes and an average a rounded average of codes.
#include <algorithm>
#include <cmath>

#include "ops/real.hpp"
#include "ops/window.hpp"

namespace bitwright {
namespace {

const QuantRule kShared = {.kind = QuantRule::Kind::shared};

Shape with_planes(const Shape& x, const Shape& spatial) {
  Shape shape = {x[0], x[1]};
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  return shape;
}

Window read_pool(const OpContext& c) {
  if (!c.node().has_attr("kernel_shape")) c.malformed("kernel_shape is missing");
  return read_window(c, c.input(0).shape(), c.node().attr_ints("kernel_shape"));
}

// f(flat input offset) for every tap of output position `at` inside the input; returns how many taps lie inside the
// padded input (what count_include_pad divides by).
template <class F>
int64_t for_each_tap(const Window& w, int64_t at, F f) {
  const Window::Dims o = Window::split(at, w.out);
  int64_t padded = 0;
  for (int64_t a = 0; a < w.kernel[0]; ++a) {
    const int64_t d = w.source(0, o[0], a);
    if (d >= w.in[0] + w.pad_end[0]) break;
    for (int64_t b = 0; b < w.kernel[1]; ++b) {
      const int64_t h = w.source(1, o[1], b);
      if (h >= w.in[1] + w.pad_end[1]) break;
      for (int64_t e = 0; e < w.kernel[2]; ++e) {
        const int64_t v = w.source(2, o[2], e);
        if (v >= w.in[2] + w.pad_end[2]) break;
        ++padded;
        if (d >= 0 && d < w.in[0] && h >= 0 && h < w.in[1] && v >= 0 && v < w.in[2])
          f((d * w.in[1] + h) * w.in[2] + v);
      }
    }
  }
  return padded;
}

// storage_order=1 numbers positions with the first spatial dimension fastest.
int64_t column_major(int64_t offset, const Window& w) {
  const Window::Dims at = Window::split(offset, w.in);
  return (at[2] * w.in[1] + at[1]) * w.in[0] + at[0];
}

/// The positions of one output row for which a tap lies inside the input.
struct Span {
  int64_t begin, end;
};
Span inside(const Window& w, int64_t tap) {
  const int64_t first = -w.source(2, 0, tap), stride = w.stride[2];  // source(v) = v * stride - first
  const int64_t begin = first > 0 ? (first + stride - 1) / stride : 0, end = (w.in[2] - 1 + first + stride) / stride;
  return {std::min(begin, w.out[2]), std::max<int64_t>(0, std::min(end, w.out[2]))};
}

/// One output row, tap by tap in the order of for_each_tap: the first tap inside the input is taken, a later one if larger. `x` is
/// the plane, d and h the row.
template <class T>
void max_row(const Window& w, const T* x, int64_t d, int64_t h, T* y) {
  std::fill_n(y, w.out[2], T());
  bool first_row = true;
  for (int64_t rows = 0; rows < w.kernel[0] * w.kernel[1]; ++rows) {
    const int64_t from_d = w.source(0, d, rows / w.kernel[1]), from_h = w.source(1, h, rows % w.kernel[1]);
    if (from_d < 0 || from_d >= w.in[0] || from_h < 0 || from_h >= w.in[1]) continue;
    const T* row = x + (from_d * w.in[1] + from_h) * w.in[2];
    int64_t taken = first_row ? w.out[2] : 0;  // from here on the row has a value
    for (int64_t tap = 0; tap < w.kernel[2]; ++tap) {
      const Span span = inside(w, tap);
      const int64_t offset = w.source(2, 0, tap), stride = w.stride[2];
      for (int64_t v = span.begin; v < std::min(taken, span.end); ++v) y[v] = row[v * stride + offset];
      for (int64_t v = std::max(span.begin, taken); v < span.end; ++v) y[v] = row[v * stride + offset] > y[v] ? row[v * stride + offset] : y[v];
      taken = std::min(taken, span.begin);
    }
    first_row = false;
  }
}

template <class T>
void max_pool_values(const OpContext& c, const Window& w, const T* x, int64_t planes, T* y) {
  const int64_t rows = w.out[0] * w.out[1];
  c.parallel(planes, std::max<int64_t>(1, 16384 / std::max<int64_t>(w.out_size(), 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * rows; i < end * rows; ++i)
      max_row(w, x + i / rows * w.in_size(), i % rows / w.out[1], i % w.out[1], y + i * w.out[2]);
  });
}

template <class T>
void max_pool(const OpContext& c, const Window& w, const T* x, int64_t planes, T* y, int64_t* indices) {
  if (!indices) return max_pool_values(c, w, x, planes, y);
  const bool columns = c.node().attr_int("storage_order", 0) != 0;
  c.parallel(planes, std::max<int64_t>(1, 16384 / std::max<int64_t>(w.out_size(), 1)), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const T* from = x + p * w.in_size();
      for (int64_t at = 0; at < w.out_size(); ++at) {
        int64_t best = -1;
        for_each_tap(w, at, [&](int64_t offset) {
          if (best < 0 || from[offset] > from[best]) best = offset;
        });
        const int64_t to = p * w.out_size() + at;
        y[to] = best < 0 ? T() : from[best];
        indices[to] = best < 0 ? -1 : p * w.in_size() + (columns ? column_major(best, w) : best);
      }
    }
  });
}

void run_max_pool(OpContext& c) {
  const Tensor& x = c.input(0);
  const Window w = read_pool(c);
  for (size_t d = 0; d < 3; ++d)
    if (w.pad[d] >= (w.kernel[d] - 1) * w.dilation[d] + 1) c.malformed("pads are not smaller than the window");
  const Shape shape = with_planes(x.shape(), w.out_shape());
  Tensor y = c.output(0, x.dtype(), shape);
  Tensor indices = c.wants(1) ? c.output(1, DType::i64, shape) : Tensor();
  if (c.shape_only()) return;
  dispatch(x.dtype(), [&]<class T>(T*) {
    max_pool(c, w, c.data(0).values<T>().data(), x.dim(0) * x.dim(1), y.values<T>().data(),
             indices.empty() ? nullptr : indices.values<int64_t>().data());
  });
}

// Sums (or sums of |x|^p) per window in double, rounded once; `finish(sum, taps inside, taps in the padded input)`.
template <class Term, class Finish>
void reduce_windows(OpContext& c, Term term, Finish finish) {
  const Window w = read_pool(c);
  const Shape x_shape = c.input(0).shape();
  RealOutput y(c, 0, real_type(c, 0), with_planes(x_shape, w.out_shape()));
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  float* to = y.data();
  const int64_t out = w.out_size();
  c.parallel(x_shape[0] * x_shape[1], std::max<int64_t>(1, 16384 / std::max<int64_t>(out, 1)),
             [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * out; i < end * out; ++i) {
      const float* from = x.data + i / out * w.in_size();
      double sum = 0;
      int64_t inside = 0;
      const int64_t padded = for_each_tap(w, i % out, [&](int64_t offset) {
        sum += term(static_cast<double>(from[offset]));
        ++inside;
      });
      to[i] = static_cast<float>(finish(sum, inside, padded));
    }
  });
  y.finish();
}

void run_average_pool(OpContext& c) {
  const bool include_pad = c.node().attr_int("count_include_pad", 0) != 0;
  reduce_windows(c, [](double v) { return v; }, [include_pad](double sum, int64_t inside, int64_t padded) {
    const int64_t count = include_pad ? padded : inside;
    return count > 0 ? sum / static_cast<double>(count) : 0.0;
  });
}

template <class F>
void with_norm(const OpContext& c, F f) {
  const auto p = static_cast<double>(c.node().attr_int("p", 2));
  if (p < 1) c.malformed("p must be at least 1");
  f([p](double v) { return p == 2 ? v * v : std::pow(std::abs(v), p); },
    [p](double sum, int64_t, int64_t) { return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p); });
}

void run_lp_pool(OpContext& c) {
  with_norm(c, [&](auto term, auto finish) { reduce_windows(c, term, finish); });
}

// ---- global forms: the window is the whole plane

template <class Term, class Finish>
void reduce_planes(OpContext& c, double start, Term term, Finish finish) {
  const Shape x_shape = c.input(0).shape();
  if (x_shape.size() < 2) c.malformed(str("input has shape ", to_string(x_shape), ", wanted [N,C,...]"));
  RealOutput y(c, 0, real_type(c, 0), with_planes(x_shape, Shape(x_shape.size() - 2, 1)));
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const int64_t planes = y.elements(), size = x.tensor.elements() / planes;
  if (size == 0) c.malformed("the planes are empty");
  float* to = y.data();
  c.parallel(planes, std::max<int64_t>(1, 32768 / size), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      double value = start;
      for (int64_t i = 0; i < size; ++i) value = term(value, static_cast<double>(x.data[p * size + i]));
      to[p] = static_cast<float>(finish(value, size, size));
    }
  });
  y.finish();
}

void run_global_average_pool(OpContext& c) {
  reduce_planes(c, 0, [](double sum, double v) { return sum + v; },
                [](double sum, int64_t size, int64_t) { return sum / static_cast<double>(size); });
}

void run_global_max_pool(OpContext& c) {
  reduce_planes(c, -INFINITY, [](double most, double v) { return v > most ? v : most; },
                [](double most, int64_t, int64_t) { return most; });
}

void run_global_lp_pool(OpContext& c) {
  with_norm(c, [&](auto term, auto finish) {
    reduce_planes(c, 0, [term](double sum, double v) { return sum + term(v); }, finish);
  });
}

// Older forms lack attributes; a node that leaves them at their defaults is legal there too.
bool is_default(const Node& node, const std::string& key) {
  const auto at = node.attributes.find(key);
  if (at == node.attributes.end()) return true;
  if (const auto* one = std::get_if<int64_t>(&at->second)) return *one == 0;
  const auto* many = std::get_if<std::vector<int64_t>>(&at->second);
  return many && std::all_of(many->begin(), many->end(), [](int64_t v) { return v == 1; });
}

bool downgrade_pool(UpgradeContext& u) {
  const int dilations_since = u.node.op == "MaxPool" ? 10 : u.node.op == "AveragePool" ? 19 : 18;
  const int ceil_since = u.node.op == "LpPool" ? 18 : 10;
  auto drop_below = [&](const char* key, int since) {
    if (u.opset >= since) return true;
    if (!is_default(u.node, key)) return false;
    u.node.attributes.erase(key);
    return true;
  };
  const bool indices = u.node.op == "MaxPool" && u.node.output(1) != ValueId::none;
  if (u.node.op == "MaxPool" && !drop_below("storage_order", 8)) return false;
  return drop_below("dilations", dilations_since) && drop_below("ceil_mode", ceil_since) && u.opset >= (indices ? 8 : 7);
}

const Op kOps[] = {
    {.name = "MaxPool", .max_outputs = 2, .since = 12, .run = run_max_pool, .downgrade = downgrade_pool,
     .quant = kShared},
    {.name = "AveragePool", .since = 19, .run = run_average_pool, .downgrade = downgrade_pool, .quant = kShared},
    {.name = "LpPool", .since = 18, .run = run_lp_pool, .downgrade = downgrade_pool},
    {.name = "GlobalAveragePool", .run = run_global_average_pool, .quant = kShared},
    {.name = "GlobalMaxPool", .run = run_global_max_pool, .quant = kShared},
    {.name = "GlobalLpPool", .since = 2, .run = run_global_lp_pool},
};

}  // namespace

std::span<const Op> ops_pool() { return kOps; }

}  // namespace bitwright
