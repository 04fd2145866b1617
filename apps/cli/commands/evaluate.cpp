#include "core/mapped_file.hpp"
#include "io/data/array_file.hpp"
#include "needs.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string model, target = "auto", predictions, outputs;
  DataArgs data;
  RunArgs run;
  int64_t batch = 32;
  bool lines = false, dry_run = false;
};

/// One class a line, in the records' order.
void write_predictions(const std::string& path, const Metric& metric) {
  if (metric.classes.empty()) fail(ErrorCode::usage, "--predictions needs data with a class per record");
  FileWriter file(path);
  for (const auto predicted : metric.classes) file.write(str(predicted, "\n"));
  file.commit();
}

void write_outputs(const std::string& path, const Program& program, const Metric& metric) {
  std::vector<NamedTensor> arrays;
  for (size_t i = 0; i < metric.outputs.size(); ++i) arrays.push_back({program.outputs()[i].name, metric.outputs[i]});
  write_npz(path, arrays);
}

void run_evaluate(const Args& args, const Context& c) {
  for (const std::string& out : {args.outputs, args.predictions})
    if (!out.empty()) check_writable(out);
  const auto data = args.data.open();
  const Loaded loaded = load_program(args.model, args.target, args.run, c.sink);
  if (args.dry_run) {
    const Needs needs = in_model(args.model, [&] { return needs_of(loaded.program, data.get(), data->size(), args.batch, c); });
    if (c.json) return c.print(to_document(needs));
    return c.print(str("would run ", args.model, " on ", data->description(), ": ", describe(needs), "\n"));
  }
  const EvaluateOptions options{c.threads, args.batch, c.sink, !args.outputs.empty()};
  const Metric metric = in_model(args.model, [&] { return evaluate(loaded.program, *data, options); });
  if (!args.outputs.empty()) write_outputs(args.outputs, *loaded.program, metric);
  if (!args.predictions.empty()) write_predictions(args.predictions, metric);
  if (c.json) return c.print(to_document(metric).set("model", args.model).set("data", data->description()));
  if (args.lines) {
    if (!metric.counts()) fail(ErrorCode::usage, "--lines needs data with classes: ", data->description());
    c.print("Size of the model (MB): " + fixed(loaded.file_bytes / 1e6, 6) + "\n");
    c.print(str("\nAccuracy: ", metric.correct, "/", metric.n, " (", fixed(100 * metric.accuracy(), 0), "%)\n"));
    return;
  }
  c.print(str(args.model, " on ", data->description(), "\n", describe(metric), "\n"));
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positional("MODEL", args->model, "the network (.onnx)");
  args->data.declare(o, "labelled data");
  args->run.declare(o);
  o.option("--target", args->target, "auto, float, simulated or integer");
  o.count("--batch", args->batch, "records per run");
  o.option("--predictions", args->predictions, "write the predicted class of every record, one a line");
  o.option("--outputs", args->outputs, "write what the network computed, an array per output (.npz); needs no labels");
  o.flag("--lines", args->lines, "print the two lines 'Size of the model (MB)' and 'Accuracy'");
  o.flag("--dry-run", args->dry_run, "say what would happen, and what it needs in memory and time");
  return [args](const Context& c) {
    if (!args->data.given()) fail(ErrorCode::usage, "evaluate needs --data");
    run_evaluate(*args, c);
  };
}

}  // namespace

const Command& command_evaluate() {
  static const Command command{30, "accuracy, perplexity or correlation, with a confidence interval", declare};
  return command;
}

}  // namespace bitwright::cli
