// oneDNN behind one narrow door: only files named onednn* and lower/onednn* see its headers. Float operators run through it
// channels last, cut into pieces that depend on shapes alone; every piece runs on one thread, so that results do not depend
// on the number of threads. The instruction set is capped at AVX512_CORE_BF16 (no AMX: engine.md section 5) and by BITWRIGHT_ISA.
#pragma once

#include "runtime/lowering.hpp"

#ifdef BITWRIGHT_WITH_ONEDNN

#include <oneapi/dnnl/dnnl.hpp>

namespace bitwright {

/// The process's engine, made on first use; false from usable() when BITWRIGHT_ISA=ref asks for our own loops.
bool onednn_usable(const Lowering& lowering);
dnnl::engine& onednn_engine();

/// f32 memory of these extents, dense in the given order of axes.
dnnl::memory::desc dense(const dnnl::memory::dims& dims, dnnl::memory::format_tag tag);

/// Input i of the node, a constant (Lowering::has_constant), in the layout that a primitive wants; plans that want the same
/// layout share it.
std::shared_ptr<const dnnl::memory> packed_input(Lowering& lowering, const Node& node, size_t i, const dnnl::memory::desc& from,
                                                 const dnnl::memory::desc& to);

/// Runs a primitive on the calling thread alone. `arguments` by DNNL_ARG.
void execute_alone(const dnnl::primitive& primitive, const std::unordered_map<int, dnnl::memory>& arguments);

/// Relu and Clip of a tail as a post-op; returns false for a tail that it cannot express.
dnnl::primitive_attr attributes_of(const Lowering::Tail& tail);

}  // namespace bitwright

#endif
