#include <algorithm>

#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::vector<std::string> models;
  std::string target = "auto";
  int64_t batch = 1;
  double seconds = 1;
  bool layers = false;
  StateArgs state;
};

std::string layer_table(const Loaded& loaded, int threads, int64_t batch) {
  const std::vector<Tensor> inputs = random_inputs(loaded.program->inputs(), batch, 1);
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  const std::vector<StepInfo> steps = loaded.program->steps(shapes);
  Run run(loaded.program, {threads});
  run.set_profiling(true);
  std::vector<int64_t> least(steps.size(), INT64_MAX);
  for (int i = 0; i < 10; ++i) {
    run(inputs);
    for (size_t k = 0; k < steps.size(); ++k) least[k] = std::min(least[k], run.step_nanoseconds()[k]);
  }
  TextTable table({"step", "kernel", ">us", ">MACs", ">GMAC/s"});
  for (size_t k = 0; k < steps.size(); ++k) {
    const auto ns = static_cast<double>(std::max<int64_t>(1, least[k]));
    const auto macs = static_cast<double>(steps[k].macs);
    table.row({steps[k].name, steps[k].kernel, fixed(ns / 1e3, 1), macs > 0 ? count_text(macs) : "",
               macs > 0 ? fixed(macs / ns, 1) : ""});
  }
  return table.text();
}

void run_bench(const Args& args, const Context& c) {
  TextTable table({"model", "target", ">batch", ">median ms", ">least ms", ">records/s", ">MACs", ">integers %", ">GMAC/s"});
  DocumentList list;
  std::string layers;
  for (const std::string& path : args.models) {
    const Loaded loaded = load_program(path, args.target, args.state, c.sink);
    const int64_t batch = batch_of(loaded.program->inputs(), args.batch);
    const Latency t = measure_latency(loaded.program, c.threads, batch, args.seconds, c.sink);
    const Cost cost = cost_of(*loaded.program);
    const double rate = static_cast<double>(batch) / t.median_ms * 1e3;
    const std::string target(name_of(loaded.program->options().target));
    table.row({path, target, str(batch), fixed(t.median_ms, 3), fixed(t.least_ms, 3), fixed(rate, 1),
               count_text(static_cast<double>(cost.macs)), fixed(100 * cost.integer_share(), 1),
               fixed(static_cast<double>(cost.macs) * rate / 1e9, 1)});
    list.push_back(Document().set("model", path).set("target", target).set("batch", batch).set("median_ms", t.median_ms)
                       .set("least_ms", t.least_ms).set("runs", t.runs).set("macs", cost.macs)
                       .set("integer_share", cost.integer_share()));
    if (args.layers) layers += str("\n", path, "\n", layer_table(loaded, c.threads, batch));
  }
  if (c.json) return c.print(Document().set("bench", list));
  c.print(table.text() + layers);
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positionals("MODEL", args->models, "networks (.onnx)");
  o.option("--target", args->target, "auto, float, simulated or integer");
  o.option("--batch", args->batch, "records per run");
  o.option("--seconds", args->seconds, "to spend on each model");
  args->state.declare(o);
  o.flag("--layers", args->layers, "time of every step, too");
  return [args](const Context& c) { run_bench(*args, c); };
}

}  // namespace

const Command& command_bench() {
  static const Command command{50, "latency and throughput, per model or per layer", declare};
  return command;
}

}  // namespace bitwright::cli
