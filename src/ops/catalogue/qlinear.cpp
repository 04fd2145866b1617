// Quantized operators that ONNX Runtime's tools write (domain com.microsoft). Each becomes the float operator between
// DequantizeLinear and QuantizeLinear, or the standard integer operator with its scales beside it: forms that `fold` knows.
#include "ops/emit.hpp"

namespace bitwright {
namespace {

// Inputs first, first+1, first+2 are codes, scale, zero point.
ValueId dequantized(UpgradeContext& u, size_t first, int64_t axis = 1) {
  const Node& node = u.node;
  return emit(u, "DequantizeLinear", {node.input(first), node.input(first + 1), node.input(first + 2)},
              {{"axis", axis}});
}

void quantize_result(UpgradeContext& u, ValueId value, size_t scale) {
  std::vector<ValueId> inputs = {value, u.node.input(scale)};
  if (u.node.input(scale + 1) != ValueId::none) inputs.push_back(u.node.input(scale + 1));
  become(u, "QuantizeLinear", inputs);
}

std::map<std::string, Attribute> kept(const Node& node, std::initializer_list<const char*> keys) {
  std::map<std::string, Attribute> attributes;
  for (const char* key : keys)
    if (const auto at = node.attributes.find(key); at != node.attributes.end()) attributes.insert(*at);
  return attributes;
}

void upgrade_binary(UpgradeContext& u) {
  const std::string op = u.node.op == "QLinearAdd" ? "Add" : "Mul";
  quantize_result(u, emit(u, op, {dequantized(u, 0), dequantized(u, 3)}), 6);
}

void upgrade_concat(UpgradeContext& u) {
  std::vector<ValueId> parts;
  for (size_t i = 2; i + 2 < u.node.inputs.size(); i += 3) parts.push_back(dequantized(u, i));
  quantize_result(u, emit(u, "Concat", parts, kept(u.node, {"axis"})), 0);
}

void refuse_channels_last(const UpgradeContext& u) {
  if (u.node.attr_int("channels_last", 0) != 0)
    fail(ErrorCode::unsupported, display_name(u.node), ": channels_last=1 is not supported");
}

// One data input: codes, scale, zero point, output scale, output zero point.
void upgrade_unary(UpgradeContext& u, const char* op, std::map<std::string, Attribute> attributes = {}) {
  quantize_result(u, emit(u, op, {dequantized(u, 0)}, std::move(attributes)), 3);
}

void upgrade_global_average_pool(UpgradeContext& u) {
  refuse_channels_last(u);
  upgrade_unary(u, "GlobalAveragePool");
}
void upgrade_average_pool(UpgradeContext& u) {
  refuse_channels_last(u);
  upgrade_unary(u, "AveragePool",
                kept(u.node, {"kernel_shape", "strides", "pads", "auto_pad", "ceil_mode", "count_include_pad"}));
}
void upgrade_leaky_relu(UpgradeContext& u) { upgrade_unary(u, "LeakyRelu", kept(u.node, {"alpha"})); }
void upgrade_sigmoid(UpgradeContext& u) { upgrade_unary(u, "Sigmoid"); }

// Its attribute `opset` says which Softmax is meant; before 13 everything from the axis on was one row.
void upgrade_softmax(UpgradeContext& u) {
  const int64_t axis = u.node.attr_int("axis", -1);
  if (u.node.attr_int("opset", 13) < 13 && axis != -1)
    fail(ErrorCode::unsupported, display_name(u.node), ": axis ", axis, " of a Softmax before opset 13");
  upgrade_unary(u, "Softmax", {{"axis", axis}});
}

void upgrade_reduce_mean(UpgradeContext& u) {
  std::vector<ValueId> inputs = {dequantized(u, 0)};
  const auto axes = u.node.attr_ints("axes");
  if (!axes.empty())
    inputs.push_back(u.constant("axes", Tensor::of<int64_t>({static_cast<int64_t>(axes.size())}, axes)));
  quantize_result(u, emit(u, "ReduceMean", inputs, kept(u.node, {"keepdims"})), 3);
}

// Inputs: A, a_scale, a_zero, B, b_scale, b_zero, C (int32 with scale alpha * sa * sb), y_scale, y_zero.
void upgrade_gemm(UpgradeContext& u) {
  const int64_t channel_axis = u.node.attr_int("transB", 0) != 0 ? 0 : 1;
  std::vector<ValueId> inputs = {dequantized(u, 0), dequantized(u, 3, channel_axis)};
  if (u.node.input(6) != ValueId::none) {
    ValueId scale = emit(u, "Mul", {u.node.input(1), u.node.input(4)});
    if (const float alpha = u.node.attr_float("alpha", 1); alpha != 1)
      scale = emit(u, "Mul", {scale, u.constant("alpha", Tensor::scalar(alpha))});
    inputs.push_back(emit(u, "DequantizeLinear", {u.node.input(6), scale}, {{"axis", int64_t{0}}}));
  }
  const auto attributes = kept(u.node, {"transA", "transB", "alpha"});
  if (u.node.input(7) == ValueId::none) return become(u, "Gemm", inputs, attributes);
  quantize_result(u, emit(u, "Gemm", inputs, attributes), 7);
}

// float(A * B) * (sa * sb) + bias
void finish_integer_product(UpgradeContext& u, std::vector<ValueId> product, ValueId scale_a, ValueId scale_b,
                            ValueId bias) {
  while (!product.empty() && product.back() == ValueId::none) product.pop_back();
  const ValueId sums = emit(u, "MatMulInteger", std::move(product));
  const ValueId real = emit(u, "Cast", {sums}, {{"to", static_cast<int64_t>(DType::f32)}});
  const ValueId scale = emit(u, "Mul", {scale_a, scale_b});
  if (bias == ValueId::none) return become(u, "Mul", {real, scale});
  become(u, "Add", {emit(u, "Mul", {real, scale}), bias});
}

void upgrade_dynamic_matmul(UpgradeContext& u) {
  const Node node = u.node;
  const auto a = emit_many(u, "DynamicQuantizeLinear", {node.input(0)}, 3);
  finish_integer_product(u, {a[0], node.input(1), a[2], node.input(3)}, a[1], node.input(2), node.input(4));
}

void upgrade_matmul_to_float(UpgradeContext& u) {
  const Node node = u.node;
  finish_integer_product(u, {node.input(0), node.input(1), node.input(4), node.input(5)}, node.input(2), node.input(3),
                         node.input(6));
}

constexpr std::string_view kMicrosoft = "com.microsoft";

const Op kOps[] = {
    {.name = "QLinearAdd", .domain = kMicrosoft, .upgrade = upgrade_binary},
    {.name = "QLinearMul", .domain = kMicrosoft, .upgrade = upgrade_binary},
    {.name = "QLinearConcat", .domain = kMicrosoft, .upgrade = upgrade_concat},
    {.name = "QLinearGlobalAveragePool", .domain = kMicrosoft, .upgrade = upgrade_global_average_pool},
    {.name = "QLinearAveragePool", .domain = kMicrosoft, .upgrade = upgrade_average_pool},
    {.name = "QLinearLeakyRelu", .domain = kMicrosoft, .upgrade = upgrade_leaky_relu},
    {.name = "QLinearSigmoid", .domain = kMicrosoft, .upgrade = upgrade_sigmoid},
    {.name = "QLinearSoftmax", .domain = kMicrosoft, .upgrade = upgrade_softmax},
    {.name = "QLinearReduceMean", .domain = kMicrosoft, .upgrade = upgrade_reduce_mean},
    {.name = "QGemm", .domain = kMicrosoft, .upgrade = upgrade_gemm},
    {.name = "DynamicQuantizeMatMul", .domain = kMicrosoft, .upgrade = upgrade_dynamic_matmul},
    {.name = "MatMulIntegerToFloat", .domain = kMicrosoft, .upgrade = upgrade_matmul_to_float},
};

}  // namespace

std::span<const Op> ops_qlinear() { return kOps; }

}  // namespace bitwright
