// Float products of two activations (attention) on oneDNN, one product of a stack at a time.
#include "runtime/onednn.hpp"
#include "runtime/products.hpp"

namespace bitwright {
namespace {

#ifdef BITWRIGHT_WITH_ONEDNN

class OneDnnPairStep : public Step {
 public:
  dnnl::matmul::primitive_desc desc;
  dnnl::primitive primitive;
  std::vector<int64_t> a_at, b_at;  // elements to each product's matrices
  int64_t dst_step = 0;

  void run(StepContext& context) const override {
    float* a = context.at(reads[0]).values<float>().data();
    float* b = context.at(reads[1]).values<float>().data();
    float* dst = context.at(writes[0]).values<float>().data();
    context.rows(static_cast<int64_t>(a_at.size()), 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      dnnl::engine& engine = onednn_engine();
      std::unordered_map<int, dnnl::memory> arguments = {
          {DNNL_ARG_SRC, dnnl::memory(desc.src_desc(), engine, a)},
          {DNNL_ARG_WEIGHTS, dnnl::memory(desc.weights_desc(), engine, b)},
          {DNNL_ARG_DST, dnnl::memory(desc.dst_desc(), engine, dst)},
          {DNNL_ARG_SCRATCHPAD, dnnl::memory(desc.scratchpad_desc(), engine, scratch)}};
      for (int64_t i = begin; i < end; ++i) {
        arguments[DNNL_ARG_SRC].set_data_handle(a + a_at[static_cast<size_t>(i)]);
        arguments[DNNL_ARG_WEIGHTS].set_data_handle(b + b_at[static_cast<size_t>(i)]);
        arguments[DNNL_ARG_DST].set_data_handle(dst + i * dst_step);
        execute_alone(primitive, arguments);
      }
    });
  }
};

Reason lower_pair(Lowering& lowering, const Node& node) {
  if (!onednn_usable(lowering)) return "";
  const Tensor &a = *lowering.known(node.input(0)), &b = *lowering.known(node.input(1)), &y = *lowering.known(node.output());
  if (a.dtype() != DType::f32 || b.dtype() != DType::f32 || a.rank() < 2 || b.rank() < 2 || y.elements() == 0 || a.elements() == 0)
    return "oneDNN multiplies float32 matrices";
  const int64_t m = a.dim(-2), k = a.dim(-1), n = b.dim(-1);
  auto step = std::make_unique<OneDnnPairStep>();
  try {
    constexpr auto kPlain = dnnl::memory::format_tag::ab;
    step->desc = dnnl::matmul::primitive_desc(onednn_engine(), dense({m, k}, kPlain), dense({k, n}, kPlain), dnnl::memory::desc(),
                                              dense({m, n}, kPlain), attributes_of({}));
    step->primitive = dnnl::matmul(step->desc);
  } catch (const dnnl::error& e) {
    return str("oneDNN refuses it: ", e.what());
  }
  step->a_at = product_starts(a.shape(), y.shape()), step->b_at = product_starts(b.shape(), y.shape());
  step->dst_step = m * n;
  step->scratch_bytes = static_cast<int64_t>(step->desc.scratchpad_desc().get_size());
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str("float MatMul (oneDNN ", step->desc.impl_info_str(), ")");
  step->info.exact = false;
  step->info.macs = y.elements() * k;
  step->reads = {lowering.floats(node, 0), lowering.floats(node, 1)};
  const BufferId out = lowering.make(DType::f32, y.shape());
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out);
  return {};
}

#else

Reason lower_pair(Lowering&, const Node&) { return ""; }

#endif

const LoweringRule kRules[] = {{"MatMul", lower_pair, Stage::floats}};

}  // namespace

std::span<const LoweringRule> lowerings_onednn_pair() { return kRules; }

}  // namespace bitwright
