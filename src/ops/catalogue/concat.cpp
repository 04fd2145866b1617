// Concat, Split and Slice: blocks copied into or out of a larger tensor. Codes pass through all of them.
#include <algorithm>
#include <numeric>

#include "ops/forms.hpp"
#include "ops/move.hpp"
#include "ops/places.hpp"

namespace bitwright {
namespace {

void run_concat(OpContext& c) {
  const Tensor& first = c.input(0);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 1), first.rank());
  Shape shape = first.shape();
  int64_t& total = shape[static_cast<size_t>(axis)];
  for (size_t i = 1; i < c.input_count(); ++i) {
    const Tensor& x = c.input(i);
    if (x.dtype() != first.dtype())
      c.malformed(str("input ", i, " is ", name_of(x.dtype()), ", the first is ", name_of(first.dtype())));
    Shape others = x.shape(), wanted = first.shape();
    if (x.rank() == first.rank()) others[static_cast<size_t>(axis)] = wanted[static_cast<size_t>(axis)] = -1;
    if (others != wanted)
      c.malformed(str("input ", i, " of shape ", to_string(x.shape()), " does not join ", to_string(first.shape()),
                      " along axis ", axis));
    total += x.dim(axis);
  }
  Tensor y = c.output(0, first.dtype(), shape);
  if (c.shape_only()) return;
  const Shape strides = strides_of(shape);
  int64_t at = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Tensor& x = c.data(i);
    copy_strided(c, x.shape(), x, {0, strides_of(x.shape())}, y, {at, strides});
    at += x.dim(axis) * strides[static_cast<size_t>(axis)];
  }
}

std::vector<int64_t> part_sizes(const OpContext& c, int64_t extent) {
  if (c.has(1)) return values_as_int(c.data(1));
  const auto outputs = static_cast<int64_t>(c.node().outputs.size());
  const int64_t count = c.node().attr_int("num_outputs", outputs);
  if (count < 1) c.malformed(str("num_outputs is ", count));
  std::vector<int64_t> sizes(static_cast<size_t>(count), (extent + count - 1) / count);
  int64_t rest = extent;
  for (int64_t& size : sizes) rest -= size = std::min(size, rest);  // the last is smaller
  return sizes;
}

/// The sizes of a Split's parts, checked against what is split.
std::vector<int64_t> checked_sizes(const OpContext& c, int64_t extent) {
  const auto sizes = part_sizes(c, extent);
  const bool negative = std::any_of(sizes.begin(), sizes.end(), [](int64_t s) { return s < 0; });
  if (negative || sizes.size() != c.node().outputs.size() || std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) != extent)
    c.malformed(str("cannot split ", extent, " into ", c.node().outputs.size(), " parts of ", to_string(sizes)));
  return sizes;
}

void run_split(OpContext& c) {
  const Tensor& x = c.input(0);
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), x.rank());
  const auto sizes = checked_sizes(c, x.dim(axis));
  const Shape strides = strides_of(x.shape());
  int64_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Shape shape = x.shape();
    shape[static_cast<size_t>(axis)] = sizes[i];
    Tensor y = c.output(i, x.dtype(), shape);
    if (!c.shape_only()) copy_strided(c, shape, c.data(0), {at, strides}, y, {0, strides_of(shape)});
    at += sizes[i] * strides[static_cast<size_t>(axis)];
  }
}

struct Range {
  int64_t start, count, step;
};

// Bounds as numpy takes them: negative ones count from the end, all are cut to the extent.
Range sliced(int64_t start, int64_t end, int64_t step, int64_t extent) {
  const int64_t least = step > 0 ? 0 : -1, most = step > 0 ? extent : extent - 1;
  auto place = [&](int64_t at) { return std::clamp(at < 0 ? at + extent : at, least, most); };
  start = place(start), end = place(end);
  const int64_t distance = step > 0 ? end - start : start - end;
  const auto stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  return {start, distance > 0 ? static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / stride + 1) : 0, step};
}

std::vector<int64_t> slice_axes(const OpContext& c, size_t count) {
  std::vector<int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), 0);
  return c.has(3) ? values_as_int(c.data(3)) : axes;
}

/// What is taken along every axis.
std::vector<Range> slice_ranges(const OpContext& c) {
  const Shape& x = c.input(0).shape();
  const auto starts = values_as_int(c.data(1)), ends = values_as_int(c.data(2));
  const auto axes = slice_axes(c, starts.size());
  const auto steps = c.has(4) ? values_as_int(c.data(4)) : std::vector<int64_t>(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    c.malformed(str(starts.size(), " starts, ", ends.size(), " ends, ", axes.size(), " axes and ", steps.size(), " steps"));
  std::vector<Range> ranges;
  for (const int64_t extent : x) ranges.push_back({0, extent, 1});
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto d = static_cast<size_t>(normal_axis(c, axes[i], std::ssize(x)));
    if (steps[i] == 0) c.malformed("a step is 0");
    ranges[d] = sliced(starts[i], ends[i], steps[i], x[d]);
  }
  return ranges;
}

void run_slice(OpContext& c) {
  const Tensor& x = c.input(0);
  const std::vector<Range> ranges = slice_ranges(c);
  Shape shape;
  Walk from{0, strides_of(x.shape())};
  for (size_t d = 0; d < ranges.size(); ++d) {
    const Range& range = ranges[d];
    shape.push_back(range.count);
    from.offset += range.count > 0 ? range.start * from.strides[d] : 0;
    from.strides[d] *= range.count > 1 ? range.step : 1;
  }
  Tensor y = c.output(0, x.dtype(), shape);
  if (!c.shape_only()) copy_strided(c, shape, c.data(0), from, y, {0, strides_of(shape)});
}

void upgrade_split(UpgradeContext& u) {
  u.attribute_to_input("split", 1);
  // Before opset 18 the number of outputs said into how many equal parts; the new form wants it written down.
  if (u.opset < 18 && u.node.input(1) == ValueId::none)
    u.node.attributes["num_outputs"] = static_cast<int64_t>(u.node.outputs.size());
}

// Without sizes the old form divides evenly only: then they are written down.
bool write_sizes(UpgradeContext& u) {
  const Shape* shape = known_shape(u, 0);
  if (u.node.input(1) != ValueId::none || !shape) return true;
  const auto rank = static_cast<int64_t>(shape->size()), parts = static_cast<int64_t>(u.node.outputs.size());
  const int64_t axis = u.node.attr_int("axis", 0), at = axis < 0 ? axis + rank : axis;
  const int64_t extent = at < 0 || at >= rank ? 0 : (*shape)[static_cast<size_t>(at)];
  if (extent < 0) return extent == kUnknownDim;
  if (extent % parts == 0) return true;
  std::vector<int64_t> sizes(static_cast<size_t>(parts), (extent + parts - 1) / parts);
  sizes.back() -= sizes.front() * parts - extent;
  u.node.inputs.resize(2, ValueId::none);
  u.node.inputs[1] = u.constant("split", Tensor::of<int64_t>({parts}, sizes));
  return sizes.back() >= 0;
}

bool downgrade_split(UpgradeContext& u) {
  if (!write_sizes(u) || (u.opset < 13 && !input_to_attribute(u, 1, "split"))) return false;
  u.node.attributes.erase("num_outputs");
  return true;
}

void upgrade_slice(UpgradeContext& u) {
  if (u.opset >= 10) return;
  u.attribute_to_input("starts", 1);
  u.attribute_to_input("ends", 2);
  u.attribute_to_input("axes", 3);
}

/// Steps along spatial axes are those of a MaxPool with windows of one element: Slice(x) = MaxPool(Slice(x without steps)).
/// Nothing where they are along others.
std::vector<int64_t> strides_of_slice(const UpgradeContext& u, const std::vector<int64_t>& steps) {
  const Shape* shape = known_shape(u, 0);
  const Tensor* axes = constant_input(u, 3);
  const int64_t rank = shape ? std::ssize(*shape) : 0;
  if (rank < 3 || rank > 5 || (!axes && u.node.input(3) != ValueId::none) || u.graph.value(u.node.input(0)).dtype != DType::f32) return {};
  std::vector<int64_t> strides(static_cast<size_t>(rank) - 2, 1);
  for (size_t i = 0; i < steps.size(); ++i) {
    int64_t axis = axes ? value_as_int(*axes, static_cast<int64_t>(i)) : static_cast<int64_t>(i);
    if (axis < 0) axis += rank;
    if (steps[i] < 1 || axis < 0 || axis >= rank || (axis < 2 && steps[i] != 1)) return {};
    if (axis >= 2) strides[static_cast<size_t>(axis) - 2] = steps[i];
  }
  return strides;
}

bool downgrade_steps(UpgradeContext& u, const std::vector<int64_t>& steps) {
  const auto strides = strides_of_slice(u, steps);
  if (strides.empty()) return false;
  Node pool;
  pool.id = u.graph.new_node_id();
  pool.op = "MaxPool";
  pool.name = u.node.name.empty() ? "" : u.node.name + ".steps";
  pool.outputs = u.node.outputs;
  pool.inputs = u.node.outputs = {u.graph.add_value(u.graph.value(u.node.output()).name + "_dense", DType::f32)};
  pool.attributes = {{"kernel_shape", std::vector<int64_t>(strides.size(), 1)}, {"strides", strides}};
  u.after.push_back(std::move(pool));
  return true;
}

bool downgrade_slice(UpgradeContext& u) {
  if (const Tensor* steps = constant_input(u, 4)) {
    const auto given = values_as_int(*steps);
    const bool dense = std::all_of(given.begin(), given.end(), [](int64_t step) { return step == 1; });
    if (!dense && !downgrade_steps(u, given)) return false;
    u.node.inputs.resize(4);
  }
  if (u.node.input(4) != ValueId::none) return false;
  return input_to_attribute(u, 3, "axes") && input_to_attribute(u, 2, "ends") && input_to_attribute(u, 1, "starts");
}

const QuantRule kShared = {.kind = QuantRule::Kind::shared};
const QuantRule kAllShared = {.kind = QuantRule::Kind::shared, .data_inputs = {}};

const Op kOps[] = {
    {.name = "Concat", .max_inputs = -1, .since = 4, .run = run_concat, .quant = kAllShared},
    {.name = "Split", .max_inputs = 2, .max_outputs = -1, .since = 18, .run = run_split, .upgrade = upgrade_split,
     .downgrade = downgrade_split, .quant = kShared},
    {.name = "Slice", .min_inputs = 3, .max_inputs = 5, .since = 10, .run = run_slice, .upgrade = upgrade_slice,
     .downgrade = downgrade_slice, .quant = kShared},
};

}  // namespace

Places slice_places(const OpContext& c) {
  Places places;
  for (const Range& range : slice_ranges(c)) {
    auto& along = places.emplace_back(static_cast<size_t>(range.count));
    for (size_t i = 0; i < along.size(); ++i) along[i] = range.start + static_cast<int64_t>(i) * range.step;
  }
  return places;
}

Places split_places(const OpContext& c, size_t i) {
  const int64_t axis = normal_axis(c, c.node().attr_int("axis", 0), c.input(0).rank());
  const auto sizes = checked_sizes(c, c.input(0).dim(axis));
  Places places(c.input(0).shape().size());
  auto& along = places[static_cast<size_t>(axis)];
  along.resize(static_cast<size_t>(sizes[i]));
  std::iota(along.begin(), along.end(), std::accumulate(sizes.begin(), sizes.begin() + static_cast<int64_t>(i), int64_t{0}));
  return places;
}

std::span<const Op> ops_concat() { return kOps; }

}  // namespace bitwright
