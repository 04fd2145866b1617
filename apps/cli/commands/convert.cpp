#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string in, out, style = "qdq";
  int64_t opset = 0;
  bool dry_run = false;
  NetworkArgs network;
};

void run_convert(const Args& args, const Context& c) {
  Model model = load(args.in);
  args.network.apply(model, c.sink);
  for (const std::string& note : model.info.notes) c.sink->note(note);
  if (args.dry_run) {
    const auto places = static_cast<int64_t>(model.quantization.at.size());
    if (c.json) return c.print(Document().set("output", args.out).set("places", places));
    return c.print(str("would write ", args.out, ": ", model.graph.nodes.size(), " nodes, ", places, " quantized places, about ",
                       human_bytes(file_bytes(args.in)), "\n"));
  }
  SaveOptions options{args.opset};
  read_word("--style", args.style, options.style);
  const Saved saved = in_model(args.in, [&] { return save(model, args.out, options); });
  if (!saved.not_run.empty()) c.sink->note(str(args.out, " was read back but not run: ", saved.not_run));
  for (const std::string& note : saved.notes) c.sink->note(note);
  if (c.json) return c.print(Document().set("output", args.out).set("bytes", static_cast<int64_t>(saved.bytes)).set("opset", saved.opset));
  c.print(str(args.out, ": ", human_bytes(static_cast<double>(saved.bytes)), ", opset ", saved.opset, "\n"));
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positional("IN", args->in, "a network (.onnx)");
  o.positional("OUT", args->out, "the file to write (.onnx)");
  o.option("--opset", args->opset, "of the written file; 0: the lowest that holds the network");
  args->network.declare(o);
  o.option("--style", args->style, "operators on codes as qdq (float operators between Q and DQ) or qoperator (QLinearConv ...)");
  o.flag("--dry-run", args->dry_run, "say what would happen");
  return [args](const Context& c) { run_convert(*args, c); };
}

}  // namespace

const Command& command_convert() {
  static const Command command{60, "between file formats and opsets, quantized or not", declare};
  return command;
}

}  // namespace bitwright::cli
