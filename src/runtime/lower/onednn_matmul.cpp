// Float matrix products with constant weights on oneDNN, in blocks of rows.
#include "runtime/onednn.hpp"

namespace bitwright {
namespace {

#ifdef BITWRIGHT_WITH_ONEDNN

using Tag = dnnl::memory::format_tag;

struct Block {
  dnnl::matmul::primitive_desc desc;
  dnnl::primitive primitive;
};

class OneDnnMatMulStep : public Step {
 public:
  int64_t m = 0, n = 0, k = 0, rows = 0;
  Block whole, rest;  // `rows` rows, and what is left over
  std::shared_ptr<const dnnl::memory> weights, bias;

  void run(StepContext& context) const override {
    const float* src = context.at(reads[0]).values<float>().data();
    float* dst = context.at(writes[0]).values<float>().data();
    context.rows(m, rows, [&](int64_t begin, int64_t end, std::byte* scratch) {
      const Block& block = end - begin == rows ? whole : rest;
      dnnl::engine& engine = onednn_engine();
      std::unordered_map<int, dnnl::memory> arguments = {
          {DNNL_ARG_SRC, dnnl::memory(block.desc.src_desc(), engine, const_cast<float*>(src + begin * k))},
          {DNNL_ARG_WEIGHTS, *weights},
          {DNNL_ARG_DST, dnnl::memory(block.desc.dst_desc(), engine, dst + begin * n)},
          {DNNL_ARG_SCRATCHPAD, dnnl::memory(block.desc.scratchpad_desc(), engine, scratch)}};
      if (bias) arguments.emplace(DNNL_ARG_BIAS, *bias);
      execute_alone(block.primitive, arguments);
    });
  }
};

Block compile(int64_t m, int64_t n, int64_t k, const dnnl::memory::desc& weights, bool bias, const Lowering::Tail& tail) {
  Block block;
  block.desc = dnnl::matmul::primitive_desc(onednn_engine(), dense({m, k}, Tag::ab), weights,
                                            bias ? dense({1, n}, Tag::ab) : dnnl::memory::desc(), dense({m, n}, Tag::ab),
                                            attributes_of(tail));
  block.primitive = dnnl::matmul(block.desc);
  return block;
}

Reason lower_product(Lowering& lowering, const Node& node) {
  if (!onednn_usable(lowering)) return "";
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  const bool gemm = node.is("Gemm");
  const bool trans_b = gemm && node.attr_int("transB", 0);
  if (gemm && (node.attr_int("transA", 0) || node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1))
    return "transA, alpha or beta";
  if (x.dtype() != DType::f32 || w.rank() != 2 || x.rank() < 2 || x.elements() == 0 || y.elements() == 0)
    return "oneDNN is used for float32 with a matrix of weights";
  const bool has_bias = gemm && node.input(2) != ValueId::none;
  auto step = std::make_unique<OneDnnMatMulStep>();
  step->k = x.dim(-1), step->n = y.dim(-1), step->m = x.elements() / step->k;
  if (!lowering.has_constant(node, 1) || (has_bias && !lowering.has_constant(node, 2)))
    return "its weights are computed at run time";
  if (has_bias && lowering.known(node.input(2))->elements() != step->n) return "its bias is not one number per output";
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  constexpr int64_t kBlockMacs = 8 << 20;
  step->rows = std::min(step->m, std::max<int64_t>(16, kBlockMacs / (step->n * step->k)));
  const int64_t left = step->m % step->rows;
  try {
    const dnnl::memory::desc any({step->k, step->n}, dnnl::memory::data_type::f32, Tag::any);
    step->whole = compile(step->rows, step->n, step->k, any, has_bias, tail);
    const auto fixed = step->whole.desc.weights_desc();
    if (left) step->rest = compile(left, step->n, step->k, fixed, has_bias, tail);
    step->weights = packed_input(lowering, node, 1, dense({step->k, step->n}, trans_b ? Tag::ba : Tag::ab), fixed);
    if (has_bias) step->bias = packed_input(lowering, node, 2, dense({1, step->n}, Tag::ab), dense({1, step->n}, Tag::ab));
    step->scratch_bytes = static_cast<int64_t>(step->whole.desc.scratchpad_desc().get_size());
    if (left)
      step->scratch_bytes = std::max(step->scratch_bytes, static_cast<int64_t>(step->rest.desc.scratchpad_desc().get_size()));
  } catch (const dnnl::error& e) {
    return str("oneDNN refuses it: ", e.what());
  }
  step->constant_bytes = static_cast<int64_t>(step->weights->get_desc().get_size());
  step->info.node = node.id;
  step->info.name = display_name(node) + tail.names;
  step->info.kernel = str("float ", node.op, " (oneDNN ", step->whole.desc.impl_info_str(), ")");
  step->info.exact = false;
  step->info.macs = step->m * step->n * step->k;
  step->reads = {lowering.floats(node, 0)};
  const BufferId out = lowering.make(DType::f32, y.shape());
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.absorb(tail);
  lowering.define_raw(tail.value, out);
  return {};
}

#else

Reason lower_product(Lowering&, const Node&) { return ""; }

#endif

const LoweringRule kRules[] = {{"MatMul", lower_product, Stage::floats}, {"Gemm", lower_product, Stage::floats}};

}  // namespace

std::span<const LoweringRule> lowerings_onednn_matmul() { return kRules; }

}  // namespace bitwright
