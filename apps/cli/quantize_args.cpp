#include "quantize_args.hpp"

#include <algorithm>

namespace bitwright::cli {
namespace {

void declare_numbers(Options& o, QuantizeArgs& a) {
  o.section("Which numbers");
  o.option("--mode", a.mode, "static (needs data), dynamic or weight-only");
  o.option("--recipe,--preset", a.recipe, "what the options here change: a preset (bitwright, fbgemm, x86, qnnpack, onednn, "
                                          "pytorch_default, onnxruntime, tflite) or a .toml or .json file");
  o.option("--weights", a.weights, "int8, uint8, fp16, int8/tensor, int8/channel, int4/32 (groups of 32), ... (bitwright explain formats)");
  o.option("--activations", a.activations, "static, dynamic: uint8, int8, uint4, ...");
  o.option("--observer", a.observer, "static: chooses ranges: minmax, moving_average_minmax, histogram, percentile, entropy, mse, auto, ... (bitwright explain presets)");
  o.option("--percentile", a.percentile, "kept share in percent, of the observer percentile");
  o.flag("--per-row", a.per_row, "dynamic: one activation scale per row");
  o.option("--profile", a.profile, "static: arithmetic of requantization: ort, real or tflite");
}

void declare_places(Options& o, QuantizeArgs& a) {
  o.section("Which nodes");
  o.list("--operators", a.operators, "only these operator types");
  o.list("--exclude", a.exclude, "nodes to keep float (names or patterns)");
  o.option("--first", a.first, "the first layer: float or 8bit");
  o.option("--last", a.last, "the last layer: float or 8bit");
  o.flag("--float-outputs", a.float_outputs, "static: results of the network stay float (the default preset's way)");
  o.flag("--code-outputs", a.code_outputs, "static: results of the network become codes (the way of the other presets)");
  o.flag("--no-fuse", a.no_fuse, "no folding, no fusion: grids before and after every activation");
  o.list("--skip-passes", a.skip_passes, "leave out these passes (bitwright explain passes lists them)");
}

void declare_calibration(Options& o, QuantizeArgs& a) {
  o.section("Calibration");
  a.data.declare(o, "calibration data");
  a.network.declare(o);
  o.count("--calibrate", a.samples, "records to calibrate on (recipe: 512)");
  o.count("--batch", a.batch, "records per batch (recipe: 16)");
  o.count("--batches", a.batches, "calibrate on this many batches");
}

/// One option: whether it was given, and why it would do nothing (empty: it does something).
struct Given {
  std::string_view option;
  bool given;
  std::string idle;
};

void refuse_idle(std::initializer_list<Given> options) {
  for (const Given& o : options)
    if (o.given && !o.idle.empty()) fail(ErrorCode::usage, o.option, " ", o.idle);
}

void check_mode(const QuantizeArgs& a, Method method) {
  const std::string nothing = str("does nothing in mode ", name_of(method));
  const std::string without_data = method == Method::static_ranges ? "" : nothing + ", which needs no data; leave it out or take --mode static";
  const std::string one_form = method == Method::static_ranges ? "" : nothing + ", which has one form in files; leave it out or take --mode static";
  const std::string without_codes = method == Method::static_ranges ? "" : nothing + ", whose results are float; leave it out or take --mode static";
  refuse_idle({{"--observer", !a.observer.empty(), without_data},
               {"--percentile", a.percentile != 0, without_data},
               {"--data", a.data.given(), without_data},
               {"--calibrate", a.samples > 0, without_data},
               {"--batch", a.batch > 0, without_data},
               {"--batches", a.batches > 0, without_data},
               {"--calibrate-only", a.calibrate_only, without_data},
               {"--float-outputs", a.float_outputs, without_codes},
               {"--code-outputs", a.code_outputs, without_codes},
               {"--style", !a.style.empty(), one_form},
               {"--profile", !a.profile.empty(), without_codes},
               {"--per-row", a.per_row, method == Method::dynamic ? "" : nothing + "; leave it out or take --mode dynamic"},
               {"--activations", !a.activations.empty(),
                method == Method::weight_only ? nothing + ", whose activations stay float; leave it out or take --mode static or dynamic" : ""}});
}

void check_output(const QuantizeArgs& a) {
  const std::string written = a.calibrate_only ? "does nothing with --calibrate-only, which writes no network; leave one of them out" : "";
  refuse_idle({{"-o", !a.out.empty(), written},
               {"--opset", a.opset > 0, written},
               {"--style", !a.style.empty(), written},
               {"--measure-kernels", a.measure_kernels, written},
               {"--all", a.all, written},
               {"--nodes", !a.nodes.empty(), a.calibrate_only ? "" : "belongs to --calibrate-only (what stays float is said by --exclude)"},
               {"--nodes", !a.nodes.empty() && !a.dry_run, a.data.given() ? "" : "needs --data"}});
  if (a.out.empty() && !a.calibrate_only && !a.dry_run && !a.print_recipe)
    fail(ErrorCode::usage, "quantize needs -o OUT, --calibrate-only or --dry-run");
}

bool observes_percentile(const Rules& rules) {
  const auto cuts = [](const std::string& observer) { return observer == "percentile" || observer == "auto"; };
  return cuts(rules.observer) ||
         std::any_of(rules.overrides.begin(), rules.overrides.end(), [&](const Override& o) { return cuts(o.observer); });
}

}  // namespace

void QuantizeArgs::declare(Options& o) {
  o.positional("MODEL", model, "the float network (.onnx)");
  o.section("What to do");
  o.option("-o,--output", out, "the file to write (.onnx)");
  o.count("--opset", opset, "of the written file; else the lowest that holds the network");
  o.option("--style", style, "static: of the written file: qdq (float operators between Q and DQ) or qoperator (QLinearConv ...)");
  o.flag("--dry-run", dry_run, "say what would happen, and what it needs in memory and time");
  o.flag("--measure-kernels", measure_kernels, "time the kernels for each shape and keep the fastest for later runs; what is faster in float here stays float");
  o.flag("--calibrate-only", calibrate_only, "print minimum, maximum, scale and zero point per node, write nothing");
  o.list("--nodes", nodes, "with --calibrate-only: these nodes");
  o.flag("--print-recipe", print_recipe, "print the complete recipe and stop");
  o.flag("--all", all, "name every node");
  declare_numbers(o, *this);
  declare_calibration(o, *this);
  declare_places(o, *this);
  o.footer("Examples:\n  bitwright quantize net.onnx --data calibration/ -o net.int8.onnx\n"
           "  bitwright quantize net.onnx --data calibration/ -o net.int8.onnx --observer auto --last float\n"
           "  bitwright quantize net.onnx --mode dynamic -o net.int8.onnx\n"
           "  bitwright quantize net.onnx --mode weight-only --weights int4/32 -o net.int4.onnx");
}

Recipe QuantizeArgs::to_recipe() const {
  Recipe r = load_recipe(recipe);
  if (!mode.empty()) read_word("--mode", mode, r.rules.method);
  if (!profile.empty()) read_word("--profile", profile, r.profile);
  if (!first.empty()) read_word("--first", first, r.rules.first);
  if (!last.empty()) read_word("--last", last, r.rules.last);
  if (!style.empty()) read_word("--style", style, r.style);
  if (!observer.empty()) r.rules.observer = observer_named(observer).name;
  if (!weights.empty()) set_format(r.rules.weight, weights);
  if (!activations.empty()) set_format(r.rules.activation, activations);
  if (!operators.empty()) r.rules.operators = operators;
  r.rules.exclude.insert(r.rules.exclude.end(), exclude.begin(), exclude.end());
  if (!network.state.empty()) r.state = network.state;
  if (!network.extents.empty()) r.extents = network.extents;
  r.skip_passes.insert(r.skip_passes.end(), skip_passes.begin(), skip_passes.end());
  if (samples > 0) r.samples = samples;
  if (batch > 0) r.batch = batch;
  if (batches > 0) r.samples = batches * r.batch;
  if (percentile != 0 && !(percentile > 50 && percentile <= 100))
    fail(ErrorCode::usage, "--percentile is ", percentile, ", it must lie above 50 and at most at 100");
  if (percentile != 0) r.observer.percentile = percentile;
  if (opset > 0) r.opset = opset;
  if (no_fuse) r.rules.fuse = false;
  if (float_outputs || code_outputs) r.rules.quantize_outputs = code_outputs;
  if (per_row) r.rules.per_row = true;
  return r;
}

void QuantizeArgs::check(const Recipe& r) const {
  check_mode(*this, r.rules.method);
  check_output(*this);
  data.check();
  if (float_outputs && code_outputs) fail(ErrorCode::usage, "--float-outputs and --code-outputs contradict each other; give one");
  if (samples > 0 && batches > 0) fail(ErrorCode::usage, "--calibrate and --batches both say how many records to take; give one");
  if (percentile != 0 && !observes_percentile(r.rules))
    fail(ErrorCode::usage, "--percentile does nothing with the observer ", r.rules.observer, "; add --observer percentile");
}

}  // namespace bitwright::cli
