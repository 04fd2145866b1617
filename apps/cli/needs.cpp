#include "needs.hpp"

#include <chrono>

namespace bitwright::cli {

Needs needs_of(const std::shared_ptr<const Program>& program, const Dataset* data, int64_t records, int64_t batch, const Context& c) {
  const Sample sample = data ? sample_of(*program, *data, batch) : sample_of(*program, batch);
  Needs needs;
  needs.records = records;
  needs.batch = sample.records;
  needs.batches = (records + needs.batch - 1) / needs.batch;
  const auto memory = program->memory(sample.shapes());
  needs.arena_bytes = memory.arena, needs.weight_bytes = memory.weights;
  const Latency one = measure_latency(program, sample, c.threads, 0.1);
  needs.seconds = static_cast<double>(needs.batches) * one.median_ms / 1e3;
  return needs;
}

std::string describe(const Needs& n) {
  return str(n.records, " records in ", n.batches, " batches of ", n.batch, ", about ", fixed(n.seconds, 1), " s; memory: ",
             human_bytes(static_cast<double>(n.arena_bytes)), " of activations per thread, ",
             human_bytes(static_cast<double>(n.weight_bytes)), " of weights");
}

Document to_document(const Needs& n) {
  return Document().set("records", n.records).set("batch", n.batch).set("batches", n.batches).set("seconds", n.seconds)
      .set("arena_bytes", n.arena_bytes).set("weight_bytes", n.weight_bytes);
}

namespace {

/// Seconds to make codes of one element, from at most a few million of them.
double seconds_per_element(const Tensor& weights, Scheme scheme) {
  constexpr int64_t kMost = 1 << 22;
  const Tensor part = Tensor::view(DType::f32, {std::min(kMost, weights.elements())}, weights.raw());
  scheme.granularity = Layout::tensor;
  const auto start = std::chrono::steady_clock::now();
  quantize(part, grid_of_constant(part, scheme, 0));
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return spent.count() / static_cast<double>(part.elements());
}

}  // namespace

WeightNeeds weight_needs_of(const Placement& placement) {
  const Graph& graph = placement.model.graph;
  WeightNeeds needs;
  const Tensor* largest = nullptr;
  const Scheme* scheme = nullptr;
  for (const auto& [site, wish] : placement.wishes) {
    if (site.side != Side::input) continue;
    const Tensor& weights = *graph.constant(graph.find_node(site.node)->input(site.index));
    const int64_t bytes = static_cast<int64_t>(weights.bytes()), codes = weights.elements() * wish.scheme.format->bits / 8;
    ++needs.tensors, needs.bytes += bytes, needs.code_bytes += codes;
    needs.memory_bytes = std::max(needs.memory_bytes, bytes + codes);
    if (!largest || weights.elements() > largest->elements()) largest = &weights, scheme = &wish.scheme;
  }
  if (largest)
    needs.seconds = seconds_per_element(*largest, *scheme) * static_cast<double>(needs.bytes) / sizeof(float);
  return needs;
}

std::string describe(const WeightNeeds& n) {
  const auto bytes = [](int64_t count) { return human_bytes(static_cast<double>(count)); };
  return str(n.tensors, n.tensors == 1 ? " tensor, " : " tensors, ", bytes(n.bytes), " to ", bytes(n.code_bytes), ", about ",
             fixed(n.seconds, 1), " s; memory: ", bytes(n.memory_bytes));
}

Document to_document(const WeightNeeds& n) {
  return Document().set("tensors", n.tensors).set("bytes", n.bytes).set("code_bytes", n.code_bytes)
      .set("memory_bytes", n.memory_bytes).set("seconds", n.seconds);
}

}  // namespace bitwright::cli
