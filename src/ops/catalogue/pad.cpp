// Pad in its four modes. Every padded place is a copy of a place of the input (edge, reflect, wrap) or of a constant.
#include <algorithm>
#include <numeric>

#include "ops/forms.hpp"
#include "ops/move.hpp"
#include "ops/places.hpp"

namespace bitwright {
namespace {

struct Pads {
  Shape begin, end, shape;
};

Pads read_pads(const OpContext& c) {
  const Shape& x = c.input(0).shape();
  const auto pads = values_as_int(c.data(1));
  std::vector<int64_t> axes(x.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (c.has(3)) axes = values_as_int(c.data(3));
  if (pads.size() != 2 * axes.size()) c.malformed(str(pads.size(), " pads for ", axes.size(), " axes"));
  Pads p{Shape(x.size(), 0), Shape(x.size(), 0), x};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto d = static_cast<size_t>(normal_axis(c, axes[i], static_cast<int64_t>(x.size())));
    p.begin[d] = pads[i];
    p.end[d] = pads[i + axes.size()];
    if (__builtin_add_overflow(p.shape[d], pads[i], &p.shape[d]) ||
        __builtin_add_overflow(p.shape[d], pads[i + axes.size()], &p.shape[d]) || p.shape[d] < 0)
      c.malformed(str("pads ", to_string(pads), " do not fit ", to_string(x)));
  }
  return p;
}

enum class Mode { constant, edge, reflect, wrap };

Mode read_mode(const OpContext& c) {
  const std::string mode = c.node().attr_string("mode", "constant");
  if (mode == "constant") return Mode::constant;
  if (mode == "edge") return Mode::edge;
  if (mode == "reflect") return Mode::reflect;
  if (mode == "wrap") return Mode::wrap;
  c.malformed(str("mode is '", mode, "', wanted constant, edge, reflect or wrap"));
}

// The place in [0, extent) that place `at` (any) copies.
int64_t source_of(int64_t at, int64_t extent, Mode mode) {
  if (at >= 0 && at < extent) return at;
  if (mode == Mode::edge) return std::clamp<int64_t>(at, 0, extent - 1);
  const int64_t period = mode == Mode::wrap ? extent : std::max<int64_t>(1, 2 * extent - 2);
  const int64_t inside = (at % period + period) % period;
  return inside < extent ? inside : period - inside;
}

void fill(const OpContext& c, Tensor& y) {
  if (!c.has(2)) return;  // outputs may be memory in use before: zeros are written below
  copy_strided(c, y.shape(), c.data(2), {0, Shape(y.shape().size(), 0)}, y, {0, strides_of(y.shape())});
}

void pad_constant(OpContext& c, const Pads& p, Tensor& y) {
  if (c.has(2)) {
    if (c.input(2).dtype() != y.dtype() || c.input(2).elements() != 1)
      c.malformed(str("the constant is ", name_of(c.input(2).dtype()), " ", to_string(c.input(2).shape())));
    fill(c, y);
  } else if (y.dtype() == DType::string) {
    std::fill(y.strings().begin(), y.strings().end(), std::string());
  } else {
    std::fill(y.raw(), y.raw() + y.bytes(), std::byte{0});
  }
  const Tensor& x = c.data(0);
  Walk from{0, strides_of(x.shape())}, to{0, strides_of(y.shape())};
  Shape extent;
  for (size_t d = 0; d < p.begin.size(); ++d) {  // negative pads cut
    const int64_t cut = std::max<int64_t>(0, -p.begin[d]);
    extent.push_back(std::max<int64_t>(0, x.shape()[d] - cut - std::max<int64_t>(0, -p.end[d])));
    from.offset += cut * from.strides[d];
    to.offset += std::max<int64_t>(0, p.begin[d]) * to.strides[d];
  }
  copy_strided(c, extent, x, from, y, to);
}

// One row of the last dimension at a time; the places of a row are looked up in a table.
void pad_by_copy(OpContext& c, const Pads& p, Mode mode, Tensor& y) {
  const Tensor& x = c.data(0);
  const size_t last = p.shape.size() - 1;
  const Shape strides = strides_of(x.shape());
  std::vector<int64_t> places(static_cast<size_t>(p.shape[last]));
  for (size_t i = 0; i < places.size(); ++i)
    places[i] = source_of(static_cast<int64_t>(i) - p.begin[last], x.shape()[last], mode);
  move_elements(x, y, [&]<class U>(const U* from, U* to) {
    const int64_t width = p.shape[last];
    c.parallel(y.elements() / width, std::max<int64_t>(1, 16384 / width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t rest = row, at = 0;
        for (size_t d = last; d-- > 0; rest /= p.shape[d])
          at += source_of(rest % p.shape[d] - p.begin[d], x.shape()[d], mode) * strides[d];
        for (int64_t i = 0; i < width; ++i) to[row * width + i] = from[at + places[static_cast<size_t>(i)]];
      }
    });
  });
}

void run_pad(OpContext& c) {
  const Pads p = read_pads(c);
  const Mode mode = read_mode(c);
  const Tensor& x = c.input(0);
  Tensor y = c.output(0, x.dtype(), p.shape);
  if (c.shape_only() || y.elements() == 0) return;
  if (mode == Mode::constant || p.shape.empty()) return pad_constant(c, p, y);
  if (x.elements() == 0) c.malformed("there is nothing to pad with");
  pad_by_copy(c, p, mode, y);
}

void upgrade_pad(UpgradeContext& u) {
  if (u.opset >= 11) return;
  const float value = u.node.attr_float("value", 0);
  u.node.attributes.erase("value");
  u.attribute_to_input(u.node.has_attr("pads") ? "pads" : "paddings", 1);
  if (value != 0) {
    u.node.inputs.resize(3);
    u.node.inputs[2] = u.constant("value", Tensor::scalar(value));
  }
}

bool downgrade_pad(UpgradeContext& u) {
  if (u.node.attr_string("mode", "constant") == "wrap" || u.node.input(3) != ValueId::none) return false;
  if (u.opset >= 11) return true;
  if (u.node.input(2) != ValueId::none) {
    const Tensor* value = constant_input(u, 2);
    if (!value || value->dtype() == DType::string) return false;
    u.node.attributes["value"] = static_cast<float>(value_as_double(*value, 0));
    u.node.inputs[2] = ValueId::none;
  }
  return input_to_attribute(u, 1, "pads");
}

const Op kOps[] = {
    {.name = "Pad", .min_inputs = 2, .max_inputs = 4, .since = 19, .run = run_pad, .upgrade = upgrade_pad,
     .downgrade = downgrade_pad, .quant = {.kind = QuantRule::Kind::shared}},
};

}  // namespace

Places pad_places(const OpContext& c) {
  const Pads p = read_pads(c);
  const Mode mode = read_mode(c);
  Places places;
  for (size_t d = 0; d < p.shape.size(); ++d) {
    const int64_t extent = c.input(0).shape()[d];
    auto& along = places.emplace_back(static_cast<size_t>(p.shape[d]));
    for (size_t i = 0; i < along.size(); ++i) {
      const int64_t at = static_cast<int64_t>(i) - p.begin[d];
      along[i] = mode != Mode::constant ? source_of(at, extent, mode) : at >= 0 && at < extent ? at : -1;
    }
  }
  return places;
}

std::span<const Op> ops_pad() { return kOps; }

}  // namespace bitwright
