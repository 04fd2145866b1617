// Softmax, LogSoftmax and Hardmax along one axis. Quantized: the output of Softmax lies in [0, 1].
#include <algorithm>
#include <numeric>
#include <cmath>

#include "ops/emit.hpp"
#include "ops/forms.hpp"
#include "ops/move.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

// f(values, size) in place on every run along the axis.
template <class F>
void along_axis(OpContext& c, F f) {
  const Shape shape = c.input(0).shape();
  const int64_t axis = shape.empty() ? 0 : normal_axis(c, c.node().attr_int("axis", -1), c.input(0).rank());
  RealOutput y(c, 0, real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  const RealInput x(c, 0);
  const AxisSplit s(shape, axis);
  float* to = y.data();
  c.parallel(s.outer * s.inner, std::max<int64_t>(1, 8192 / s.size), [&](int64_t begin, int64_t end) {
    std::vector<float> run(static_cast<size_t>(s.size));
    for (int64_t lane = begin; lane < end; ++lane) {
      const int64_t first = lane / s.inner * s.size * s.inner + lane % s.inner;
      for (int64_t i = 0; i < s.size; ++i) run[static_cast<size_t>(i)] = x.data[first + i * s.inner];
      f(run.data(), s.size);
      for (int64_t i = 0; i < s.size; ++i) to[first + i * s.inner] = run[static_cast<size_t>(i)];
    }
  });
  y.finish();
}

void run_softmax(OpContext& c) {
  along_axis(c, [](float* v, int64_t size) {
    const float most = *std::max_element(v, v + size);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += v[i] = std::exp(v[i] - most);
    const auto factor = static_cast<float>(1 / sum);
    for (int64_t i = 0; i < size; ++i) v[i] *= factor;
  });
}

void run_log_softmax(OpContext& c) {
  along_axis(c, [](float* v, int64_t size) {
    const float most = *std::max_element(v, v + size);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) sum += std::exp(v[i] - most);
    const auto shift = static_cast<float>(std::log(sum));
    for (int64_t i = 0; i < size; ++i) v[i] = v[i] - most - shift;
  });
}

void run_hardmax(OpContext& c) {
  along_axis(c, [](float* v, int64_t size) {
    const int64_t best = std::max_element(v, v + size) - v;
    std::fill(v, v + size, 0.0f);
    v[best] = 1;
  });
}

// True if all dimensions behind `axis` are known to be 1: then the old and the new meaning agree.
bool ends_at(const UpgradeContext& u, int64_t axis) {
  if (axis == -1) return true;
  const ValueId id = u.node.input(0);
  if (!u.graph.has_value(id) || !u.graph.value(id).has_shape) return false;
  const Shape& shape = u.graph.value(id).shape;
  const auto rank = static_cast<int64_t>(shape.size());
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank && std::all_of(shape.begin() + axis + 1, shape.end(), [](int64_t n) { return n == 1; });
}

// Before opset 13 everything from `axis` (default 1) on was one run: Flatten, softmax along the rows, Reshape back.
void upgrade_softmax(UpgradeContext& u) {
  if (u.opset >= 13) return;
  const int64_t axis = u.node.attr_int("axis", 1);
  u.node.attributes["axis"] = axis;
  if (ends_at(u, axis)) return;
  const ValueId x = u.node.input(0);
  const ValueId shape = emit(u, "Shape", {x});
  u.node.inputs = {emit(u, "Flatten", {x}, {{"axis", axis}})};
  u.node.attributes["axis"] = int64_t{-1};
  Node back;
  back.id = u.graph.new_node_id();
  back.op = "Reshape";
  back.outputs = u.node.outputs;
  u.node.outputs = {u.graph.add_value(str(u.node.name.empty() ? u.node.op : u.node.name, ".rows"))};
  back.inputs = {u.node.outputs[0], shape};
  u.after.push_back(std::move(back));
}

// Along the last axis the old form means the same; another axis changes places with it.
bool downgrade_softmax(UpgradeContext& u) {
  const Shape* shape = known_shape(u, 0);
  int64_t axis = u.node.attr_int("axis", -1);
  const int64_t rank = shape ? static_cast<int64_t>(shape->size()) : 0;
  if (axis < 0 && shape) axis += rank;
  u.node.attributes["axis"] = axis;
  if (ends_at(u, axis)) return axis >= 0 || u.opset >= 11;
  if (axis < 0 || axis >= rank) return false;
  std::vector<int64_t> swap(static_cast<size_t>(rank));
  std::iota(swap.begin(), swap.end(), 0);
  std::swap(swap[static_cast<size_t>(axis)], swap.back());
  u.node.inputs = {emit(u, "Transpose", {u.node.input(0)}, {{"perm", swap}})};
  u.node.attributes["axis"] = rank - 1;
  Node back;
  back.id = u.graph.new_node_id();
  back.op = "Transpose";
  back.attributes["perm"] = swap;
  back.outputs = u.node.outputs;
  u.node.outputs = {u.graph.add_value(str(u.node.name.empty() ? u.node.op : u.node.name, ".swapped"))};
  back.inputs = u.node.outputs;
  u.after.push_back(std::move(back));
  return true;
}

const Op kOps[] = {
    {.name = "Softmax", .since = 13, .run = run_softmax, .upgrade = upgrade_softmax, .downgrade = downgrade_softmax,
     .quant = {.kind = QuantRule::Kind::fixed, .fixed_min = 0, .fixed_max = 1}},
    {.name = "LogSoftmax", .since = 13, .run = run_log_softmax, .upgrade = upgrade_softmax,
     .downgrade = downgrade_softmax},
    {.name = "Hardmax", .since = 13, .run = run_hardmax, .upgrade = upgrade_softmax, .downgrade = downgrade_softmax},
};

}  // namespace

std::span<const Op> ops_softmax() { return kOps; }

}  // namespace bitwright
