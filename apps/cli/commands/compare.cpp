#include "comparison.hpp"
#include "needs.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::vector<std::string> models;
  DataArgs data;
  RunArgs run;
  double seconds = 0.5;
  bool lines = false, dry_run = false;
};

void dry_run(const Args& args, const Dataset* data, const Context& c) {
  DocumentList list;
  std::string text;
  for (const std::string& path : args.models) {
    const auto program = load_program(path, "auto", args.run, c.sink).program;
    const Needs needs = in_model(path, [&] { return needs_of(program, data, data ? data->size() : 0, 32, c); });
    list.push_back(to_document(needs).set("model", path));
    text += str("would run ", path, " on ", describe(needs), "\n");
  }
  if (c.json) return c.print(Document().set("needs", list));
  c.print(text + str("and time each for ", args.seconds, " s\n"));
}

void run_compare(const Args& args, const Context& c) {
  args.data.check();
  std::unique_ptr<Dataset> data;
  if (args.data.given()) data = args.data.open();
  if (args.dry_run) return dry_run(args, data.get(), c);
  std::vector<Compared> rows;
  std::shared_ptr<const Program> reference;  // judges data without truth
  for (const std::string& path : args.models) {
    const Loaded loaded = load_program(path, "auto", args.run, c.sink);
    rows.push_back(measure(loaded, path, {data.get(), reference}, args.seconds, c));
    if (!reference) reference = loaded.program;
  }
  if (c.json) return c.print(comparison_document(rows));
  if (data) c.print(data->description() + "\n");
  c.print(args.lines ? comparison_lines(rows) : comparison_table(rows));
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positionals("MODEL", args->models, "networks; the first is what the others are compared with");
  args->data.declare(o, "data with labels, or without: then the first network's outputs are what the others are judged by");
  args->run.declare(o);
  o.option("--seconds", args->seconds, "to spend on timing each model");
  o.flag("--lines", args->lines, "per model the two lines 'Size of the model (MB)' and 'Accuracy'");
  o.flag("--dry-run", args->dry_run, "say what would happen, and what it needs in memory and time");
  return [args](const Context& c) { run_compare(*args, c); };
}

}  // namespace

const Command& command_compare() {
  static const Command command{40, "side by side: accuracy, size, latency, operations", declare};
  return command;
}

}  // namespace bitwright::cli
