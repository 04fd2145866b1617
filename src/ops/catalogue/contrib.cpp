// Float operators of domain com.microsoft that ONNX Runtime's optimiser writes: each becomes standard operators. And
// MatMulNBits, whose packed weights become a blocked DequantizeLinear.
#include "ops/emit.hpp"
#include "ops/minifloat.hpp"

namespace bitwright {
namespace {

void upgrade_gelu(UpgradeContext& u) { become(u, "Gelu", u.node.inputs); }

void upgrade_bias_gelu(UpgradeContext& u) { become(u, "Gelu", {emit(u, "Add", {u.node.input(0), u.node.input(1)})}); }

void upgrade_fast_gelu(UpgradeContext& u) {
  const bool biased = u.node.input(1) != ValueId::none;
  const ValueId x = biased ? emit(u, "Add", {u.node.input(0), u.node.input(1)}) : u.node.input(0);
  become(u, "Gelu", {x}, {{"approximate", std::string("tanh")}});
}

// x * sigmoid(alpha * x)
void upgrade_quick_gelu(UpgradeContext& u) {
  const ValueId x = u.node.input(0), alpha = u.constant("alpha", Tensor::scalar(u.node.attr_float("alpha", 1.702f)));
  become(u, "Mul", {x, emit(u, "Sigmoid", {emit(u, "Mul", {x, alpha})})});
}

// Inputs: x, skip, gamma, (beta, unless `rms`), bias. Outputs: y, mean, inverse deviation, x + skip + bias.
void upgrade_skip_norm(UpgradeContext& u, bool rms) {
  const Node node = u.node;
  ValueId sum = emit(u, "Add", {node.input(0), node.input(1)});
  if (const ValueId bias = node.input(rms ? 3 : 4); bias != ValueId::none) sum = emit(u, "Add", {sum, bias});
  if (node.output(3) != ValueId::none) {
    u.before.back().outputs[0] = node.output(3);
    sum = node.output(3);
  }
  if (node.output(1) != ValueId::none || node.output(2) != ValueId::none)
    fail(ErrorCode::unsupported, display_name(node), ": the outputs mean and inverse deviation are not supported");
  std::vector<ValueId> inputs = {sum, node.input(2)};
  if (!rms && node.input(3) != ValueId::none) inputs.push_back(node.input(3));
  u.node.outputs.resize(1);
  become(u, rms ? "RMSNormalization" : "LayerNormalization", inputs,
         {{"axis", int64_t{-1}}, {"epsilon", node.attr_float("epsilon", 1e-12f)}});
}
void upgrade_skip_layer_norm(UpgradeContext& u) { upgrade_skip_norm(u, false); }
void upgrade_skip_rms_norm(UpgradeContext& u) { upgrade_skip_norm(u, true); }

// Written by ONNX Runtime into the standard domain, where no such operator is.
void upgrade_simplified(UpgradeContext& u) {
  u.node.outputs.resize(1);
  become(u, "RMSNormalization", {u.node.input(0), u.node.input(1)},
         {{"axis", u.node.attr_int("axis", -1)}, {"epsilon", u.node.attr_float("epsilon", 1e-5f)}});
}

// Theirs takes (x, positions, cos, sin), ours (x, cos, sin, positions).
void upgrade_rotary(UpgradeContext& u) {
  const Node node = u.node;
  std::map<std::string, Attribute> attributes;
  for (const char* key : {"interleaved", "num_heads", "rotary_embedding_dim"})
    if (node.has_attr(key)) attributes[key] = node.attr_int(key, 0);
  become(u, "RotaryEmbedding", {node.input(0), node.input(2), node.input(3), node.input(1)}, attributes);
}

int64_t codes_in_whole_bytes(int64_t count, int64_t bits) { return (count * bits + 7) / 8 * 8 / bits; }

// The first `cols` of every `row_codes` packed codes, as one dense packed tensor [rows, cols].
Tensor dense_rows(const Tensor& packed, DType type, int64_t rows, int64_t cols, int64_t row_codes) {
  const int bits = bits_of(type);
  if (static_cast<int64_t>(packed.bytes()) * 8 < rows * row_codes * bits)
    fail(ErrorCode::malformed, "packed codes have ", packed.bytes(), " bytes, too few for [", rows, ",", cols, "]");
  Tensor dense(type, {rows, cols});
  for (int64_t i = 0; i < rows * cols; ++i)
    store_code(dense.raw(), i, bits, load_code(packed.raw(), i / cols * row_codes + i % cols, bits));
  return dense;
}

// B holds [N, blocks, block_size * bits / 8] bytes, lowest bits first: the bytes of a dense [N, K] where K is whole blocks.
// Without zero points the middle code is subtracted.
void upgrade_matmul_nbits(UpgradeContext& u) {
  const Node node = u.node;
  constexpr int64_t kMost = 1 << 28;
  const int64_t bits = node.attr_int("bits", 4), k = node.attr_int("K", 0), n = node.attr_int("N", 0);
  const int64_t block = node.attr_int("block_size", 0);
  const Tensor *b = u.graph.constant(node.input(1)), *scales = u.graph.constant(node.input(2));
  const Tensor* zeros = u.graph.constant(node.input(3));
  if (!b || !scales || (bits != 2 && bits != 4 && bits != 8) || block < 1 || block > kMost || block * bits % 8 != 0 || k < 1 || k > kMost || n < 1 || n > kMost)
    fail(ErrorCode::unsupported, display_name(node), ": wants constant 2-, 4- or 8-bit weights in blocks of whole bytes");
  if (node.input(4) != ValueId::none || (zeros && zeros->dtype() != DType::u8))
    fail(ErrorCode::unsupported, display_name(node), ": group indices and float zero points are not supported");
  const int64_t blocks = k / block + (k % block != 0), stored = blocks * block;
  const DType type = bits == 2 ? DType::u2 : bits == 4 ? DType::u4 : DType::u8;
  if (b->elements() * 8 != n * stored * bits || scales->elements() != n * blocks)
    fail(ErrorCode::malformed, display_name(node), ": weights or scales do not fit K=", k, ", N=", n);
  const auto memory = std::make_shared<Tensor>(*b);
  const ValueId codes = u.constant("weights", stored == k ? Tensor::view(type, {n, k}, memory->raw(), memory) : dense_rows(*b, type, n, k, stored));
  const ValueId scale = u.constant("scales", scales->reshaped({n, blocks}));
  Tensor zero(DType::u8, {n, (blocks * bits + 7) / 8});
  const auto middle = static_cast<uint8_t>(bits == 2 ? 0xaa : bits == 4 ? 0x88 : 0x80);
  std::fill(zero.values<uint8_t>().begin(), zero.values<uint8_t>().end(), middle);
  const ValueId zero_point = u.constant("zeros", dense_rows(zeros ? *zeros : zero, type, n, blocks, codes_in_whole_bytes(blocks, bits)));
  const ValueId weights = emit(u, "DequantizeLinear", {codes, scale, zero_point},
                               {{"axis", int64_t{1}}, {"block_size", block}});
  const ValueId columns = emit(u, "Transpose", {weights}, {{"perm", std::vector<int64_t>{1, 0}}});
  if (node.input(5) == ValueId::none) return become(u, "MatMul", {node.input(0), columns});
  become(u, "Add", {emit(u, "MatMul", {node.input(0), columns}), node.input(5)});
}

constexpr std::string_view kMicrosoft = "com.microsoft";

const Op kOps[] = {
    {.name = "Gelu", .domain = kMicrosoft, .upgrade = upgrade_gelu},
    {.name = "BiasGelu", .domain = kMicrosoft, .upgrade = upgrade_bias_gelu},
    {.name = "FastGelu", .domain = kMicrosoft, .upgrade = upgrade_fast_gelu},
    {.name = "QuickGelu", .domain = kMicrosoft, .upgrade = upgrade_quick_gelu},
    {.name = "SkipLayerNormalization", .domain = kMicrosoft, .upgrade = upgrade_skip_layer_norm},
    {.name = "SkipSimplifiedLayerNormalization", .domain = kMicrosoft, .upgrade = upgrade_skip_rms_norm},
    {.name = "SimplifiedLayerNormalization", .upgrade = upgrade_simplified},
    {.name = "RotaryEmbedding", .domain = kMicrosoft, .upgrade = upgrade_rotary},
    {.name = "MatMulNBits", .domain = kMicrosoft, .upgrade = upgrade_matmul_nbits},
};

}  // namespace

std::span<const Op> ops_contrib() { return kOps; }

}  // namespace bitwright
