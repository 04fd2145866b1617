#include <algorithm>

#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::vector<std::string> models;
  std::string target = "auto";
  int64_t batch = 1, length = 0;
  double seconds = 1;
  bool layers = false;
  RunArgs run;
};

TextTable layer_table(const Loaded& loaded, const Sample& sample, int threads) {
  const std::vector<StepInfo> steps = loaded.program->steps(sample.shapes());
  Run run(loaded.program, {threads});
  run.set_profiling(true);
  std::vector<int64_t> least(steps.size(), INT64_MAX);
  for (int i = 0; i < 10; ++i) {
    run(sample.inputs);
    for (size_t k = 0; k < steps.size(); ++k) least[k] = std::min(least[k], run.step_nanoseconds()[k]);
  }
  TextTable table({"step", "kernel", ">us", ">multiply-adds", ">G/s"});
  for (size_t k = 0; k < steps.size(); ++k) {
    const auto ns = static_cast<double>(std::max<int64_t>(1, least[k]));
    const auto macs = static_cast<double>(steps[k].macs);
    table.row({steps[k].name, steps[k].kernel, fixed(ns / 1e3, 1), macs > 0 ? count_text(macs) : "",
               macs > 0 ? fixed(macs / ns, 1) : ""});
  }
  return table;
}

struct Benched {
  std::string path, target;
  Latency latency;
  Cost cost;
  double records_per_second() const { return static_cast<double>(latency.batch) / latency.median_ms * 1e3; }
};

std::vector<std::string> cells(const Benched& b) {
  const auto macs = static_cast<double>(b.cost.macs);
  return {b.path, b.target, str(b.latency.batch), fixed(b.latency.least_ms, 3), fixed(b.latency.median_ms, 3), fixed(b.latency.p99_ms, 3),
          fixed(b.records_per_second(), 1), count_text(macs), fixed(100 * b.cost.integer_share(), 1) + " %", fixed(macs * b.records_per_second() / 1e9, 1)};
}

Document document(const Benched& b) {
  return Document().set("model", b.path).set("target", b.target).set("batch", b.latency.batch).set("median_ms", b.latency.median_ms)
      .set("least_ms", b.latency.least_ms).set("p99_ms", b.latency.p99_ms).set("runs", b.latency.runs).set("records_per_second", b.records_per_second())
      .set("macs", b.cost.macs).set("integer_share", b.cost.integer_share());
}

void run_bench(const Args& args, const Context& c) {
  TextTable table({"model", "target", ">batch", ">least ms", ">median ms", ">p99 ms", ">records/s", ">multiply-adds", ">in integers", ">G/s"});
  DocumentList list;
  std::string layers;
  for (const std::string& path : args.models) {
    const Loaded loaded = load_program(path, args.target, args.run, c.sink);
    const Sample sample = in_model(path, [&] { return sample_of(*loaded.program, args.batch, args.length); });
    Benched b{path, std::string(name_of(loaded.program->options().target)), {}, {}};
    b.latency = in_model(path, [&] { return measure_latency(loaded.program, sample, c.threads, args.seconds, c.sink); });
    b.cost = cost_of(*loaded.program, sample);
    table.row(cells(b));
    Document entry = document(b);
    if (args.layers) {
      const TextTable steps = layer_table(loaded, sample, c.threads);
      layers += str("\n", path, "\n", steps.text());
      entry.set("layers", steps.document());
    }
    list.push_back(entry);
  }
  if (c.json) return c.print(Document().set("bench", list));
  c.print(table.text() + layers);
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positionals("MODEL", args->models, "networks (.onnx)");
  o.option("--target", args->target, "auto, float, simulated, integer, or onnxruntime (in float what its session leaves in float)");
  o.count("--batch", args->batch, "records per run");
  o.option("--length", args->length, "free extents other than the batch, e.g. words in a sentence (0: the least that runs)");
  o.option("--seconds", args->seconds, "to spend on each model");
  args->run.declare(o);
  o.flag("--layers", args->layers, "time of every step, too");
  return [args](const Context& c) { run_bench(*args, c); };
}

}  // namespace

const Command& command_bench() {
  static const Command command{50, "latency and throughput, per model or per layer", declare};
  return command;
}

}  // namespace bitwright::cli
