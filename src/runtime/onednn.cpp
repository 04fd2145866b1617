#include "runtime/onednn.hpp"

#include "core/spill.hpp"

#ifdef BITWRIGHT_WITH_ONEDNN

extern "C" void omp_set_num_threads(int);

namespace bitwright {
namespace {

dnnl::cpu_isa isa_for(Isa cap) {
  switch (cap) {
    case Isa::ref: return dnnl::cpu_isa::sse41;
    case Isa::avx2: return dnnl::cpu_isa::avx2;
    case Isa::avxvnni: return dnnl::cpu_isa::avx2_vnni;
    default: return dnnl::cpu_isa::avx512_core_bf16;
  }
}

/// oneDNN asks OpenMP how many threads there are when it makes primitives too.
void no_threads_of_its_own() {
  thread_local const bool done = (omp_set_num_threads(1), true);
  (void)done;
}

}  // namespace

bool onednn_usable(const Lowering& lowering) {
  no_threads_of_its_own();
  return lowering.options().onednn && isa_cap() != Isa::ref && lowering.options().isa != Isa::ref;
}

dnnl::engine& onednn_engine() {
  static dnnl::engine engine = [] {
    dnnl::set_max_cpu_isa(isa_for(isa_cap()));  // fails harmlessly if the host program chose already
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

dnnl::memory::desc dense(const dnnl::memory::dims& dims, dnnl::memory::format_tag tag) {
  return {dims, dnnl::memory::data_type::f32, tag};
}

std::shared_ptr<const dnnl::memory> packed_input(Lowering& lowering, const Node& node, size_t i, const dnnl::memory::desc& from,
                                                 const dnnl::memory::desc& to) {
  auto pack = [&] {
    const Tensor values = lowering.constant_floats(node, i);
    const dnnl::memory source(from, onednn_engine(), const_cast<float*>(values.values<float>().data()));
    dnnl::memory packed(to, onednn_engine());
    execute_alone(dnnl::reorder(source, packed), {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, packed}});
    forget_pages(values);
    return packed;
  };
  for (int layout = 0;; ++layout) {  // those that earlier plans wanted, then a new one
    auto packed = lowering.shared(node, str("onednn ", i, " layout ", layout), pack);
    if (packed->get_desc() == to) return packed;
  }
}

void execute_alone(const dnnl::primitive& primitive, const std::unordered_map<int, dnnl::memory>& arguments) {
  no_threads_of_its_own();
  thread_local dnnl::stream stream(onednn_engine());
  primitive.execute(stream, arguments);
  stream.wait();
}

dnnl::primitive_attr attributes_of(const Lowering::Tail& tail) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  if (tail.lo == 0 && tail.hi == INFINITY) {
    after.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
  } else if (!tail.absorbed.empty()) {
    after.append_eltwise(dnnl::algorithm::eltwise_clip_v2, std::max(tail.lo, -3.4028235e38f), std::min(tail.hi, 3.4028235e38f));
  }
  attributes.set_post_ops(after);
  return attributes;
}

}  // namespace bitwright

#endif
