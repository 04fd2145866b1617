#include "io/onnx/before_7.hpp"

#include <algorithm>

#include "ops/emit.hpp"

namespace bitwright::onnx {
namespace {

[[noreturn]] void refuse(const UpgradeContext& u, std::string_view what) {
  fail(ErrorCode::unsupported, display_name(u.node), ": ", what, " (opset ", u.opset, "; opsets from 7 on are read in full)");
}

/// b with `behind` dimensions of 1 behind its own.
ValueId with_ones_behind(UpgradeContext& u, ValueId b, const Shape& shape, int64_t behind) {
  Shape wider = shape;
  wider.resize(shape.size() + static_cast<size_t>(behind), 1);
  if (const Tensor* held = u.graph.has_value(b) ? u.graph.constant(b) : nullptr) return u.constant("broadcast", held->reshaped(wider));
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < behind; ++i) axes.push_back(std::ssize(shape) + i);
  return emit(u, "Unsqueeze", {b, u.constant("axes", Tensor::of<int64_t>({behind}, axes))});
}

/// b's dimensions lie on those of a from `axis` on; numpy lays them on the last ones.
void place_at_axis(UpgradeContext& u, const ShapeWalk& walk, int64_t axis) {
  const Tensor *a = walk.find(u.node.input(0)), *b = walk.find(u.node.input(1));
  if (b && b->elements() == 1) return;
  if (!a || !b) refuse(u, "its attribute 'axis' lays one tensor on another whose number of dimensions is not known");
  const int64_t behind = a->rank() - (axis < 0 ? axis + a->rank() : axis) - b->rank();
  if (behind < 0 || behind > a->rank()) refuse(u, str("its attribute 'axis' is ", axis, ", which does not fit its inputs"));
  if (behind > 0) u.node.inputs[1] = with_ones_behind(u, u.node.input(1), b->shape(), behind);
}

void arithmetic(UpgradeContext& u, const ShapeWalk& walk) {
  if (u.node.attr_int("broadcast", 0) != 0 && u.node.has_attr("axis") && u.node.inputs.size() == 2)
    place_at_axis(u, walk, u.node.attr_int("axis", 0));
  u.node.attributes.erase("broadcast");
  u.node.attributes.erase("axis");
}

void gemm(UpgradeContext& u, const ShapeWalk&) { u.node.attributes.erase("broadcast"); }

/// A vector of slopes is one per channel; as numpy has it, it would be one per column.
void prelu(UpgradeContext& u, const ShapeWalk& walk) {
  const Tensor* slope = walk.find(u.node.input(1));
  if (slope && slope->rank() == 1 && slope->elements() != 1) place_at_axis(u, walk, 1);
}

void batch_norm(UpgradeContext& u, const ShapeWalk&) {
  if (u.node.attr_int("is_test", 0) == 0) refuse(u, "it is in training mode (is_test is not 1)");
  u.node.attributes.erase("is_test");
}

void cast(UpgradeContext& u, const ShapeWalk&) {
  static const std::map<std::string, DType> kTypes = {
      {"FLOAT", DType::f32}, {"UINT8", DType::u8}, {"INT8", DType::i8}, {"UINT16", DType::u16}, {"INT16", DType::i16},
      {"INT32", DType::i32}, {"INT64", DType::i64}, {"BOOL", DType::boolean}, {"FLOAT16", DType::f16}, {"DOUBLE", DType::f64},
      {"UINT32", DType::u32}, {"UINT64", DType::u64}, {"STRING", DType::string}};
  const auto at = u.node.attributes.find("to");
  const auto* name = at == u.node.attributes.end() ? nullptr : std::get_if<std::string>(&at->second);
  if (!name) return;
  const auto type = kTypes.find(*name);
  if (type == kTypes.end()) refuse(u, str("there is no type '", *name, "'"));
  at->second = static_cast<int64_t>(type->second);
}

void concat(UpgradeContext& u, const ShapeWalk&) { u.node.attributes.try_emplace("axis", int64_t{1}); }

void selu(UpgradeContext& u, const ShapeWalk&) {
  if (u.opset >= 6) return;
  u.node.attributes.try_emplace("alpha", 1.6732f);
  u.node.attributes.try_emplace("gamma", 1.0507f);
}

/// The power was a float.
void power_mean(UpgradeContext& u, const ShapeWalk&) {
  const auto at = u.node.attributes.find("p");
  const auto* p = at == u.node.attributes.end() ? nullptr : std::get_if<float>(&at->second);
  if (!p) return;
  const auto whole = static_cast<int64_t>(*p);
  if (static_cast<float>(whole) != *p) refuse(u, "its power is no whole number");
  at->second = whole;
}

void upsample(UpgradeContext& u, const ShapeWalk&) {
  if (!u.node.has_attr("height_scale")) return;
  u.node.attributes["scales"] = std::vector<float>{1, 1, u.node.attr_float("height_scale", 1), u.node.attr_float("width_scale", 1)};
  if (u.node.attr_string("mode", "nearest") == "bilinear") u.node.attributes["mode"] = std::string("linear");
}

void tile(UpgradeContext& u, const ShapeWalk&) {
  if (u.opset < 6 || u.node.inputs.size() == 3) refuse(u, "it repeats along one axis, a form that is not supported");
}

struct Row {
  std::string_view op;
  void (*upgrade)(UpgradeContext&, const ShapeWalk&);
};
constexpr Row kRows[] = {
    {"Add", arithmetic},   {"Sub", arithmetic},   {"Mul", arithmetic},     {"Div", arithmetic},
    {"Pow", arithmetic},   {"And", arithmetic},   {"Or", arithmetic},      {"Xor", arithmetic},
    {"Equal", arithmetic}, {"Less", arithmetic},  {"Greater", arithmetic}, {"Gemm", gemm},
    {"PRelu", prelu},      {"Selu", selu},        {"Cast", cast},          {"BatchNormalization", batch_norm},
    {"Concat", concat},    {"Upsample", upsample}, {"LpPool", power_mean}, {"GlobalLpPool", power_mean},
    {"Tile", tile}};

}  // namespace

void upgrade_before_7(UpgradeContext& u, const ShapeWalk& walk) {
  u.node.attributes.erase("consumed_inputs");  // what may be overwritten, until opset 5
  for (const Row& row : kRows)
    if (row.op == u.node.op) row.upgrade(u, walk);
}

}  // namespace bitwright::onnx
