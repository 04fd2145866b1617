#include <chrono>
#include <iostream>

#include "core/mapped_file.hpp"
#include "layers.hpp"
#include "measured.hpp"
#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::vector<std::string> models;
  std::string target = "auto", trace;
  int64_t batch = 1, length = 0;
  double seconds = 1;
  bool layers = false, bursts = false, measure_kernels = false;
  RunArgs run;
  DataArgs data;
};

struct Benched {
  std::string path, target;
  double compile_ms = 0;
  Latency latency;
  Cost cost;
  Machine machine;
  std::vector<LayerTime> layers;
  double records_per_second() const { return static_cast<double>(latency.batch) / latency.median_ms * 1e3; }
  double of_peak() const { return peak_share(cost, machine, latency.median_ms, latency.batch); }
};

std::vector<std::string> cells(const Benched& b) {
  const auto macs = static_cast<double>(b.cost.macs);
  return {b.path, b.target, str(b.latency.batch), fixed(b.latency.least_ms, 3), fixed(b.latency.median_ms, 3), fixed(b.latency.p99_ms, 3),
          fixed(b.records_per_second(), 1), count_text(macs), fixed(100 * b.cost.integer_share(), 1) + " %", fixed(macs * b.records_per_second() / 1e9, 1),
          b.of_peak() > 0 ? fixed(100 * b.of_peak(), 1) + " %" : ""};
}

Document with(Document d, const Latency& latency) {
  return d.set("batch", latency.batch).set("median_ms", latency.median_ms).set("least_ms", latency.least_ms)
      .set("p99_ms", latency.p99_ms).set("runs", latency.runs);
}

Document document(const Benched& b) {
  Document d = with(Document().set("model", b.path).set("target", b.target), b.latency);
  d.set("records_per_second", b.records_per_second()).set("macs", b.cost.macs).set("integer_share", b.cost.integer_share());
  d.set("compile_ms", b.compile_ms).set("weight_bytes", b.cost.weight_bytes).set("arena_bytes", b.cost.arena_bytes);
  d.set("live_bytes", b.cost.live_bytes);
  d.set("machine", to_document(b.machine)).set("peak_share", b.of_peak());
  return b.layers.empty() ? d : d.set("layers", layers_document(b.layers));
}

/// Compiled for the sample's shapes: what the first run would do.
double compile_ms(const Model& model, const CompileOptions& options, const Sample& sample) {
  const auto begin = std::chrono::steady_clock::now();
  Program::compile(model, options)->plan(sample.shapes());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

/// The first records of the data, else random numbers.
Sample sample_for(const Args& args, const Program& program) {
  return args.data.given() ? sample_of(program, *args.data.open(), args.batch) : sample_of(program, args.batch, args.length);
}

Benched bench(const std::string& path, const Args& args, const Context& c) {
  Loaded loaded = load_program(path, args.target, args.run, c.sink);
  return in_model(path, [&] {
    Benched b{path, std::string(name_of(loaded.program->options().target)), {}, {}, {}, {}, {}};
    const Sample sample = sample_for(args, *loaded.program);
    if (args.measure_kernels) {
      const Model& model = loaded.program->model();
      loaded.program = Program::compile(model, with_measured_kernels(model, loaded.program->options(), sample, c));
    }
    b.cost = cost_of(*loaded.program, sample);
    b.compile_ms = compile_ms(loaded.program->model(), loaded.program->options(), sample);
    b.machine = measure_machine(*loaded.program, sample, c.threads);
    b.latency = measure_latency(loaded.program, sample, c.threads, args.seconds, c.sink);
    if (args.layers || !args.trace.empty()) b.layers = time_layers(loaded.program, sample, b.machine, args.seconds);
    return b;
  });
}

/// For comparisons with other programs, in turns: each line on standard input, seconds, is answered by a line.
void run_bursts(const Args& args, const Context& c) {
  if (args.models.size() != 1) fail(ErrorCode::usage, "--bursts takes one MODEL");
  if (args.measure_kernels) fail(ErrorCode::usage, "--bursts compiles once; measure the kernels in a run of bench before");
  if (args.layers || !args.trace.empty()) fail(ErrorCode::usage, "--bursts measures whole runs; leave --layers and --trace out");
  const std::string& path = args.models[0];
  const Loaded loaded = load_program(path, args.target, args.run, c.sink);
  in_model(path, [&] {
    const Sample sample = sample_for(args, *loaded.program);
    Stopwatch watch(loaded.program, sample, c.threads);
    const Cost cost = cost_of(*loaded.program, sample);
    int64_t input_bytes = 0;
    for (const Tensor& input : sample.inputs) input_bytes += static_cast<int64_t>(input.bytes());
    const Document ready = Document().set("input_bytes", input_bytes).set("macs", cost.macs).set("integer_share", cost.integer_share())
                               .set("weight_bytes", cost.weight_bytes).set("arena_bytes", cost.arena_bytes);
    std::cout << to_json(ready, -1) << std::endl;
    for (double seconds = 0; std::cin >> seconds;) std::cout << to_json(with({}, watch.burst(seconds)), -1) << std::endl;
  });
}

void write_trace(const std::string& path, const std::vector<Benched>& all) {
  DocumentList events;
  for (size_t i = 0; i < all.size(); ++i)
    for (Document& event : trace_events(all[i].path, static_cast<int64_t>(i), all[i].layers)) events.push_back(std::move(event));
  FileWriter file(path);
  file.write(to_json(Document().set("displayTimeUnit", "ns").set("traceEvents", events), -1) + "\n");
  file.commit();
}

void run_bench(const Args& args, const Context& c) {
  args.data.check();
  if (args.data.given() && args.length > 0) fail(ErrorCode::usage, "--data and --length both say how long the inputs are; give one");
  if (args.bursts) return run_bursts(args, c);
  if (!args.trace.empty()) check_writable(args.trace);
  std::vector<Benched> all;
  for (const std::string& path : args.models) all.push_back(bench(path, args, c));
  if (!args.trace.empty()) write_trace(args.trace, all);
  TextTable table({"model", "target", ">batch", ">least ms", ">median ms", ">p99 ms", ">records/s", ">multiply-adds", ">in integers", ">G/s", ">of peak"});
  DocumentList list;
  std::string layers;
  for (const Benched& b : all) {
    table.row(cells(b));
    list.push_back(document(b));
    if (args.layers) layers += str("\n", b.path, " (", machine_text(b.machine), ")\n", layers_text(b.layers));
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
  args->data.declare(o, "inputs instead of random numbers: the first records");
  args->run.declare(o);
  o.flag("--layers", args->layers, "every step, too: its time, its share of this machine's measured peak, what bounds it");
  o.option("--trace", args->trace, "write every step as Chrome's and Perfetto's trace (JSON) to this file");
  o.flag("--measure-kernels", args->measure_kernels, "time the kernels that can compute each shape; the fastest are kept for this and later runs");
  o.flag("--bursts", args->bursts, "measure once for each line of standard input, SECONDS: to compare in turns");
  return [args](const Context& c) { run_bench(*args, c); };
}

}  // namespace

const Command& command_bench() {
  static const Command command{50, "latency and throughput, per model or per layer", declare};
  return command;
}

}  // namespace bitwright::cli
