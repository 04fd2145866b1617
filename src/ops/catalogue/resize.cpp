// Resize. Every mode is a list of (input index, weight) per output index and axis; axes are resized one after
// the other. Quantized: input and output share one grid.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/emit.hpp"
#include "ops/forms.hpp"
#include "ops/places.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Axis {
  int64_t in = 1, out = 1;
  float scale = 1, roi_start = 0, roi_end = 1;
  bool touched = false;
};

struct Tap {
  int64_t index;
  float weight;
};
struct Taps {  // of one axis
  std::vector<Tap> all;
  int64_t per_output = 1;
  std::vector<bool> outside;  // output indices that tf_crop_and_resize fills with extrapolation_value
};

struct Style {
  std::string mode, coordinates, nearest;
  double cubic_a;
  bool exclude_outside, antialias;
};

Style read_style(const OpContext& c) {
  const Node& n = c.node();
  Style s{n.attr_string("mode", "nearest"), n.attr_string("coordinate_transformation_mode", "half_pixel"),
          n.attr_string("nearest_mode", "round_prefer_floor"), static_cast<double>(n.attr_float("cubic_coeff_a", -0.75f)),
          n.attr_int("exclude_outside", 0) != 0, n.attr_int("antialias", 0) != 0};
  if (s.mode != "nearest" && s.mode != "linear" && s.mode != "cubic")
    c.malformed(str("mode '", s.mode, "' is not nearest, linear or cubic"));
  return s;
}

// One scale for all resized axes; sizes are then rounded, halves up.
void keep_aspect_ratio(const OpContext& c, std::vector<Axis>& axes) {
  const std::string policy = c.node().attr_string("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return;
  if (policy != "not_larger" && policy != "not_smaller") c.malformed(str("keep_aspect_ratio_policy '", policy, "'"));
  float scale = -1;
  for (const Axis& a : axes)
    if (a.touched) scale = scale < 0 ? a.scale : policy == "not_larger" ? std::min(scale, a.scale) : std::max(scale, a.scale);
  for (Axis& a : axes) {
    if (!a.touched) continue;
    a.scale = scale;
    a.out = static_cast<int64_t>(std::round(scale * static_cast<float>(a.in)));
  }
}

// A scale may be so close to 1 that nothing changes its extent. ONNX Runtime then copies: the tensor when no extent changes
// (whatever the crop), with antialias each such axis.
void leave_equal_extents(const OpContext& c, std::vector<Axis>& axes) {
  const bool each = c.node().attr_int("antialias", 0) != 0;
  const bool all = std::all_of(axes.begin(), axes.end(), [](const Axis& a) { return a.in == a.out; });
  for (Axis& a : axes) a.touched = a.touched && !all && !(each && a.in == a.out);
}

std::vector<Axis> read_axes(const OpContext& c) {
  const Shape& x = c.input(0).shape();
  std::vector<Axis> axes(x.size());
  for (size_t d = 0; d < x.size(); ++d) axes[d].in = axes[d].out = x[d];
  std::vector<int64_t> order = c.node().attr_ints("axes");
  if (order.empty())
    for (int64_t d = 0; d < std::ssize(x); ++d) order.push_back(d);
  const bool by_size = c.has(3) && c.input(3).elements() > 0;
  const size_t source = by_size ? 3 : 2;
  if (!by_size && !(c.has(2) && c.input(2).elements() > 0)) c.malformed("neither scales nor sizes are given");
  if (c.input(source).elements() != std::ssize(order))
    c.malformed(str(by_size ? "sizes" : "scales", " has ", c.input(source).elements(), " numbers, wanted ", order.size()));
  const bool crops = c.node().attr_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
  if (crops && (!c.has(1) || c.input(1).elements() != 2 * std::ssize(order)))
    c.malformed(str("roi must hold ", 2 * order.size(), " numbers"));
  for (size_t i = 0; i < order.size(); ++i) {
    Axis& a = axes[static_cast<size_t>(normal_axis(c, order[i], std::ssize(x)))];
    const double value = value_as_double(c.data(source), static_cast<int64_t>(i));
    if (!(value > 0) || !(value * static_cast<double>(by_size ? 1 : a.in) < 0x1p40))
      c.malformed(str("cannot resize an axis of ", a.in, by_size ? " to " : " by ", value));
    a.touched = true;
    const auto number = static_cast<float>(value), in = static_cast<float>(std::max<int64_t>(a.in, 1));
    a.out = by_size ? static_cast<int64_t>(value) : static_cast<int64_t>(number * static_cast<float>(a.in));
    a.scale = by_size ? number / in : number;
    if (crops) {
      a.roi_start = static_cast<float>(value_as_double(c.data(1), static_cast<int64_t>(i)));
      a.roi_end = static_cast<float>(value_as_double(c.data(1), static_cast<int64_t>(i + order.size())));
    }
  }
  if (by_size) keep_aspect_ratio(c, axes);
  leave_equal_extents(c, axes);
  return axes;
}

// The coordinate in the input of output index `at`, with the widths of ONNX Runtime's sums (1.31.1, tests/referee/resize.py):
// at ties the last bit decides which element is nearest.
float original(const OpContext& c, const Axis& a, const std::string& mode, int64_t at) {
  const auto x = static_cast<float>(at), in = static_cast<float>(a.in), out = static_cast<float>(a.out);
  if (a.scale == 1) return x;
  if (mode == "half_pixel") return (x + 0.5f) / a.scale - 0.5f;
  if (mode == "pytorch_half_pixel") return a.out > 1 ? (x + 0.5f) / a.scale - 0.5f : 0;
  if (mode == "asymmetric") return x / a.scale;
  if (mode == "align_corners") return a.out > 1 ? x * (in - 1) / (out - 1) : 0;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5f) / a.scale;
  if (mode == "half_pixel_symmetric") {
    const float adjustment = out / (a.scale * in), offset = in / 2 * (1 - adjustment);
    return static_cast<float>(static_cast<double>(offset) + (static_cast<double>(x) + 0.5) / static_cast<double>(a.scale) - 0.5);
  }
  if (mode == "tf_crop_and_resize")
    return a.out > 1 ? a.roi_start * (in - 1) + x * (a.roi_end - a.roi_start) * (in - 1) / (out - 1)
                     : 0.5f * (a.roi_start + a.roi_end) * (in - 1);
  c.malformed(str("coordinate_transformation_mode '", mode, "' is not known"));
}

int64_t nearest_index(const OpContext& c, const std::string& mode, float x) {
  // A hair beside a tie counts as a tie: 4 / fl(8 / 7) is 3.4999998.
  constexpr double kTie = 1e-6;
  if (mode == "round_prefer_floor") return static_cast<int64_t>(std::ceil(static_cast<double>(x) - (0.5 + kTie)));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(static_cast<double>(x) + (0.5 + kTie)));
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  c.malformed(str("nearest_mode '", mode, "' is not known"));
}

// The triangle, or Keys' cubic with parameter a, at distance x.
double filter(const Style& s, double x) {
  x = std::abs(x);
  if (s.mode == "linear") return std::max(0.0, 1 - x);
  const double a = s.cubic_a;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

void add_weighted(const Style& s, const Axis& a, double x, Taps& taps) {
  const double shrink = s.antialias ? std::min(static_cast<double>(a.scale), 1.0) : 1;  // antialiasing widens the filter when shrinking
  const double radius = (s.mode == "linear" ? 1 : 2) / shrink;
  const auto first = static_cast<int64_t>(std::floor(x)) + static_cast<int64_t>(std::floor(-radius)) + 1;
  taps.per_output = 2 - 2 * (static_cast<int64_t>(std::floor(-radius)) + 1);
  std::vector<double> weights;
  double sum = 0;
  for (int64_t i = first; i < first + taps.per_output; ++i) {
    double w = filter(s, (static_cast<double>(i) - x) * shrink);
    if (s.exclude_outside && (i < 0 || i >= a.in)) w = 0;
    weights.push_back(w);
    sum += w;
  }
  for (int64_t i = 0; i < taps.per_output; ++i)
    taps.all.push_back({std::clamp<int64_t>(first + i, 0, a.in - 1),
                        static_cast<float>(weights[static_cast<size_t>(i)] / (sum == 0 ? 1 : sum))});
}

Taps taps_of(const OpContext& c, const Style& s, const Axis& a) {
  Taps taps;
  for (int64_t at = 0; at < a.out; ++at) {
    const float x = original(c, a, s.coordinates, at);
    taps.outside.push_back(s.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<float>(a.in - 1)));
    if (s.mode == "nearest") {
      taps.all.push_back({std::clamp<int64_t>(nearest_index(c, s.nearest, x), 0, a.in - 1), 1});
    } else {
      add_weighted(s, a, x, taps);
    }
  }
  return taps;
}

// x: [outer, in, inner] of elements of `size` bytes.
void pick_axis(const std::byte* x, const Axis& a, const Taps& taps, int64_t outer, int64_t inner_bytes, std::byte* y) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < a.out; ++i, y += inner_bytes)
      std::memcpy(y, x + (o * a.in + taps.all[static_cast<size_t>(i)].index) * inner_bytes, static_cast<size_t>(inner_bytes));
}

void blend_axis(const OpContext& c, const float* x, const Axis& a, const Taps& taps, int64_t outer, int64_t inner, float* y) {
  c.parallel(outer * a.out, std::max<int64_t>(1, 8192 / std::max<int64_t>(inner, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = y + row * inner;
      std::fill_n(to, inner, 0.0f);
      const Tap* tap = taps.all.data() + row % a.out * taps.per_output;
      for (int64_t t = 0; t < taps.per_output; ++t) {
        const float* from = x + (row / a.out * a.in + tap[t].index) * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += tap[t].weight * from[i];
      }
    }
  });
}

void fill_outside(const OpContext& c, const std::vector<Axis>& axes, const std::vector<Taps>& taps, float* y) {
  const float value = c.node().attr_float("extrapolation_value", 0);
  Shape shape;
  for (const Axis& a : axes) shape.push_back(a.out);
  for (int64_t i = 0; i < elements_of(shape); ++i) {
    int64_t rest = i;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d])
      if (axes[d].touched && taps[d].outside[static_cast<size_t>(rest % shape[d])]) y[i] = value;
  }
}

// f(input, axis, taps, outer, inner, output) for every axis that changes; returns the last output.
template <class F>
Tensor each_axis(Tensor now, const std::vector<Axis>& axes, const std::vector<Taps>& taps, F f) {
  for (size_t d = 0; d < axes.size(); ++d) {
    if (!axes[d].touched) continue;
    Shape shape = now.shape();
    const int64_t outer = elements_of(std::span(shape).first(d)), inner = elements_of(std::span(shape).subspan(d + 1));
    shape[d] = axes[d].out;
    Tensor next(now.dtype(), shape);
    f(now, axes[d], taps[d], outer, inner, next);
    now = next;
  }
  return now;
}

void run_resize(OpContext& c) {
  const Style style = read_style(c);
  const std::vector<Axis> axes = read_axes(c);
  Shape shape;
  for (const Axis& a : axes) {
    shape.push_back(a.out);
    if (a.in == 0 && a.out > 0) c.malformed("cannot resize an empty axis");
  }
  const DType type = c.input(0).dtype();
  Tensor y = c.output(0, type, shape);
  if (c.shape_only() || y.elements() == 0) return;
  std::vector<Taps> taps;
  for (const Axis& a : axes) taps.push_back(a.touched ? taps_of(c, style, a) : Taps());
  if (style.mode == "nearest" && style.coordinates != "tf_crop_and_resize") {
    if (bits_of(type) % 8 != 0 || type == DType::string) c.unsupported(str("elements of type ", name_of(type)));
    const Tensor result = each_axis(c.data(0), axes, taps, [&](const Tensor& from, const Axis& a, const Taps& t, int64_t outer,
                                                               int64_t inner, Tensor& to) {
      pick_axis(from.raw(), a, t, outer, inner * bits_of(type) / 8, to.raw());
    });
    std::memcpy(y.raw(), result.raw(), y.bytes());
    return;
  }
  Tensor result = each_axis(to_f32(c.data(0)), axes, taps, [&](const Tensor& from, const Axis& a, const Taps& t,
                                                               int64_t outer, int64_t inner, Tensor& to) {
    blend_axis(c, from.values<float>().data(), a, t, outer, inner, to.values<float>().data());
  });
  RealOutput out(c, 0, type, shape);
  std::copy_n(result.values<float>().data(), out.elements(), out.data());
  if (style.coordinates == "tf_crop_and_resize") fill_outside(c, axes, taps, out.data());
  out.finish();
}

// Opset 10 had coordinates x / scale and took the element below.
void to_asymmetric(UpgradeContext& u, ValueId scales) {
  const std::string mode = u.node.attr_string("mode", "nearest");
  become(u, "Resize", {u.node.input(0), ValueId::none, scales},
         {{"mode", mode}, {"coordinate_transformation_mode", std::string("asymmetric")},
          {"nearest_mode", std::string("floor")}});
}

void upgrade_resize(UpgradeContext& u) {
  if (u.opset < 11) to_asymmetric(u, u.node.input(1));
}

// Upsample, and Resize of opset 10: constant scales that do not shrink, for runtimes differ in what they take when shrinking.
bool to_upsample(UpgradeContext& u) {
  const Node& n = u.node;
  const std::string mode = n.attr_string("mode", "nearest");
  const Tensor* scales = constant_input(u, 2);
  if (!scales || scales->dtype() != DType::f32 || scales->elements() == 0 || n.input(3) != ValueId::none ||
      n.attr_string("coordinate_transformation_mode", "half_pixel") != "asymmetric" ||
      (mode != "linear" && (mode != "nearest" || n.attr_string("nearest_mode", "round_prefer_floor") != "floor")))
    return false;
  const auto factors = scales->values<float>();
  if (!std::all_of(factors.begin(), factors.end(), [](float f) { return f >= 1; })) return false;
  std::map<std::string, Attribute> attributes = {{"mode", mode}};
  if (u.opset < 9) attributes["scales"] = std::vector<float>(factors.begin(), factors.end());
  std::vector<ValueId> inputs = {n.input(0), n.input(2)};
  if (u.opset < 9) inputs.pop_back();
  become(u, u.opset >= 10 ? "Resize" : "Upsample", std::move(inputs), std::move(attributes));
  return true;
}

// Opsets 11 and 12 want roi and scales, empty where they say nothing.
void complete_inputs(UpgradeContext& u) {
  u.node.inputs.resize(std::max<size_t>(u.node.inputs.size(), 3), ValueId::none);
  for (const size_t i : {1, 2})
    if (u.node.inputs[i] == ValueId::none) u.node.inputs[i] = u.constant(i == 1 ? "roi" : "scales", Tensor(DType::f32, {0}));
}

bool downgrade_resize(UpgradeContext& u) {
  const Node& n = u.node;
  if (n.attr_int("antialias", 0) != 0 || n.has_attr("axes") ||
      n.attr_string("keep_aspect_ratio_policy", "stretch") != "stretch" ||
      n.attr_string("coordinate_transformation_mode", "half_pixel") == "half_pixel_symmetric")
    return false;
  u.node.attributes.erase("antialias");
  u.node.attributes.erase("keep_aspect_ratio_policy");
  if (u.opset < 11) return to_upsample(u);
  if (u.opset < 13) complete_inputs(u);
  return true;
}

const QuantRule kShared = {.kind = QuantRule::Kind::shared};

const Op kOps[] = {
    {.name = "Resize", .max_inputs = 4, .since = 19, .run = run_resize, .upgrade = upgrade_resize,
     .downgrade = downgrade_resize, .quant = kShared},
};

}  // namespace

Places resize_places(const OpContext& c) {
  const Style style = read_style(c);
  Places places;
  for (const Axis& a : read_axes(c)) {
    auto& along = places.emplace_back();
    if (a.touched)
      for (const Tap& tap : taps_of(c, style, a).all) along.push_back(tap.index);
  }
  return places;
}

std::span<const Op> ops_resize() { return kOps; }

}  // namespace bitwright
