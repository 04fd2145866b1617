// Products with run-time scales that ONNX Runtime's tools write (domain com.microsoft): each becomes the standard integer
// operator with its scales beside it, a form that `fold` knows. What has constant scales `fold` reads itself.
#include "ops/emit.hpp"

namespace bitwright {
namespace {

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
    {.name = "DynamicQuantizeMatMul", .domain = kMicrosoft, .upgrade = upgrade_dynamic_matmul},
    {.name = "MatMulIntegerToFloat", .domain = kMicrosoft, .upgrade = upgrade_matmul_to_float},
};

}  // namespace

std::span<const Op> ops_qlinear() { return kOps; }

}  // namespace bitwright
