// Operators that are one strided copy: Transpose, Expand, Tile, DepthToSpace, SpaceToDepth.
#include <array>
#include <numeric>

#include "ops/forms.hpp"
#include "ops/move.hpp"

namespace bitwright {
namespace {

// The input seen as `view`, its axes permuted by `perm`, becomes output 0 of shape `shape` (the permuted view joined).
void permute(OpContext& c, const Shape& view, const std::vector<int64_t>& perm, Shape shape) {
  const Tensor& x = c.input(0);
  Tensor y = c.output(0, x.dtype(), std::move(shape));
  if (c.shape_only()) return;
  const Shape strides = strides_of(view);
  Shape extent;
  Walk from;
  for (const int64_t axis : perm) {
    extent.push_back(view[static_cast<size_t>(axis)]);
    from.strides.push_back(strides[static_cast<size_t>(axis)]);
  }
  copy_strided(c, extent, c.data(0), from, y, {0, strides_of(extent)});
}

void run_transpose(OpContext& c) {
  const Shape& x = c.input(0).shape();
  std::vector<int64_t> perm(x.size());
  std::iota(perm.rbegin(), perm.rend(), 0);
  perm = c.node().attr_ints("perm", perm);
  std::vector<bool> seen(x.size(), false);
  Shape shape;
  for (const int64_t axis : perm) {
    const auto at = static_cast<size_t>(normal_axis(c, axis, static_cast<int64_t>(x.size())));
    if (seen[at]) c.malformed(str("perm ", to_string(perm), " names an axis twice"));
    seen[at] = true;
    shape.push_back(x[at]);
  }
  if (perm.size() != x.size()) c.malformed(str("perm ", to_string(perm), " does not fit rank ", x.size()));
  permute(c, x, perm, shape);
}

void run_expand(OpContext& c) {
  const Tensor& x = c.input(0);
  const Shape wanted = values_as_int(c.data(1));
  for (const int64_t extent : wanted)
    if (extent < 0) c.malformed(str("cannot expand to ", to_string(wanted)));
  const Shape shape = broadcast_shapes(c, x.shape(), wanted);
  Tensor y = c.output(0, x.dtype(), shape);
  if (c.shape_only()) return;
  Walk from{0, Shape(shape.size(), 0)};
  const Shape own = strides_of(x.shape());
  for (size_t d = 0; d < own.size(); ++d)
    if (x.shape()[d] != 1) from.strides[shape.size() - own.size() + d] = own[d];
  copy_strided(c, shape, c.data(0), from, y, {0, strides_of(shape)});
}

void run_tile(OpContext& c) {
  const Tensor& x = c.input(0);
  const std::vector<int64_t> repeats = values_as_int(c.data(1));
  if (static_cast<int64_t>(repeats.size()) != x.rank())
    c.malformed(str(repeats.size(), " repeats for a tensor of rank ", x.rank()));
  Shape shape, extent;
  Walk from;
  const Shape own = strides_of(x.shape());
  for (size_t d = 0; d < repeats.size(); ++d) {
    if (repeats[d] < 0) c.malformed(str("repeats are ", to_string(repeats)));
    const std::array<int64_t, 2> both = {repeats[d], x.shape()[d]};
    shape.push_back(elements_of(both));
    extent.insert(extent.end(), {repeats[d], x.shape()[d]});
    from.strides.insert(from.strides.end(), {0, own[d]});
  }
  Tensor y = c.output(0, x.dtype(), shape);
  if (!c.shape_only()) copy_strided(c, extent, c.data(0), from, y, {0, strides_of(extent)});
}

int64_t read_block(const OpContext& c) {
  const int64_t block = c.node().attr_int("blocksize", 0);
  if (c.input(0).rank() != 4) c.malformed(str("input has shape ", to_string(c.input(0).shape()), ", wanted [N,C,H,W]"));
  if (block < 1 || block > 1 << 20) c.malformed(str("blocksize is ", block));
  return block;
}

void run_depth_to_space(OpContext& c) {
  const Shape& x = c.input(0).shape();
  const int64_t b = read_block(c), depth = x[1] / (b * b);
  if (x[1] % (b * b) != 0) c.malformed(str(x[1], " channels do not divide into blocks of ", b));
  const Shape shape = {x[0], depth, x[2] * b, x[3] * b};
  if (c.node().attr_string("mode", "DCR") == "CRD")
    return permute(c, {x[0], depth, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, shape);
  permute(c, {x[0], b, b, depth, x[2], x[3]}, {0, 3, 4, 1, 5, 2}, shape);
}

void run_space_to_depth(OpContext& c) {
  const Shape& x = c.input(0).shape();
  const int64_t b = read_block(c);
  if (x[2] % b != 0 || x[3] % b != 0) c.malformed(str(to_string(x), " does not divide into blocks of ", b));
  permute(c, {x[0], x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4}, {x[0], x[1] * b * b, x[2] / b, x[3] / b});
}

bool downgrade_depth_to_space(UpgradeContext& u) {
  if (u.node.attr_string("mode", "DCR") != "DCR") return false;
  u.node.attributes.erase("mode");
  return true;
}

const QuantRule kShared = {.kind = QuantRule::Kind::shared};

const Op kOps[] = {
    {.name = "Transpose", .run = run_transpose, .quant = kShared},
    {.name = "Expand", .min_inputs = 2, .max_inputs = 2, .since = 8, .run = run_expand, .quant = kShared},
    {.name = "Tile", .min_inputs = 2, .max_inputs = 2, .since = 6, .run = run_tile, .quant = kShared},
    {.name = "DepthToSpace", .since = 11, .run = run_depth_to_space, .downgrade = downgrade_depth_to_space,
     .quant = kShared},
    {.name = "SpaceToDepth", .run = run_space_to_depth, .quant = kShared},
};

}  // namespace

std::span<const Op> ops_transpose() { return kOps; }

}  // namespace bitwright
