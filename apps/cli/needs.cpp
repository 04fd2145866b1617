#include "needs.hpp"

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

}  // namespace bitwright::cli
