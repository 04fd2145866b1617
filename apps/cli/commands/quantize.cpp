#include <algorithm>
#include <filesystem>

#include "graph/state.hpp"
#include "needs.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string model, out, recipe = "bitwright", mode, observer, weights, activations, profile, first, last, style;
  DataArgs data;
  NetworkArgs network;
  std::vector<std::string> exclude, operators, nodes, skip_passes;
  int64_t samples = 0, batch = 0, batches = 0, opset = 0;
  double percentile = 0;
  bool no_fuse = false, float_outputs = false, code_outputs = false, per_row = false, calibrate_only = false, dry_run = false, all = false;
  bool print_recipe = false;
};

template <class E>
E word_of(const std::string& option, const std::string& word, const std::vector<std::pair<std::string, E>>& words) {
  std::vector<std::string> names;
  for (const auto& [name, value] : words) {
    if (name == word) return value;
    names.push_back(name);
  }
  fail(ErrorCode::usage, option, " is '", word, "', it must be one of ", join(names, ", "));
}

const std::vector<std::pair<std::string, Method>> kModes = {
    {"static", Method::static_ranges}, {"dynamic", Method::dynamic}, {"weight-only", Method::weight_only}};
const std::vector<std::pair<std::string, Profile>> kProfiles = {
    {"ort", Profile::ort}, {"real", Profile::real}, {"tflite", Profile::tflite}};
const std::vector<std::pair<std::string, Edge>> kEdges = {{"float", Edge::keep_float}, {"8bit", Edge::eight_bits}};

// The recipe with what the command line changes.
Recipe recipe_of(const Args& a) {
  Recipe r = load_recipe(a.recipe);
  if (!a.mode.empty()) r.rules.method = word_of("--mode", a.mode, kModes);
  if (!a.profile.empty()) r.profile = word_of("--profile", a.profile, kProfiles);
  if (!a.first.empty()) r.rules.first = word_of("--first", a.first, kEdges);
  if (!a.last.empty()) r.rules.last = word_of("--last", a.last, kEdges);
  if (!a.observer.empty()) r.rules.observer = observer_named(a.observer).name;
  if (!a.weights.empty()) set_format(r.rules.weight, a.weights);
  if (!a.activations.empty()) set_format(r.rules.activation, a.activations);
  if (!a.operators.empty()) r.rules.operators = a.operators;
  r.rules.exclude.insert(r.rules.exclude.end(), a.exclude.begin(), a.exclude.end());
  if (!a.network.state.empty()) r.state = a.network.state;
  if (!a.network.extents.empty()) r.extents = a.network.extents;
  r.skip_passes.insert(r.skip_passes.end(), a.skip_passes.begin(), a.skip_passes.end());
  if (a.samples > 0) r.samples = a.samples;
  if (a.batch > 0) r.batch = a.batch;
  if (a.batches > 0) r.samples = a.batches * r.batch;
  if (a.percentile != 0 && !(a.percentile > 50 && a.percentile <= 100))
    fail(ErrorCode::usage, "--percentile is ", a.percentile, ", it must lie above 50 and at most at 100");
  if (a.percentile != 0) r.observer.percentile = a.percentile;
  if (a.opset > 0) r.opset = a.opset;
  if (!a.style.empty()) r.style = style_named(a.style);
  if (a.no_fuse) r.rules.fuse = false;
  if (a.float_outputs || a.code_outputs) r.rules.quantize_outputs = a.code_outputs;
  if (a.per_row) r.rules.per_row = true;
  return r;
}

std::string ranges_table(const std::vector<SiteRange>& ranges) {
  TextTable table({"node", ">min", ">max", ">scale", ">zero point", ">scales", "observer", ">values"});
  for (const SiteRange& r : ranges) {
    if (r.site.side != Side::output) continue;
    table.row({r.name, str(r.min), str(r.max), str(r.qparams.scale), str(r.qparams.zero), str(r.parameters), r.observer,
               str(r.values)});
  }
  return table.text();
}

// What was quantized, what not, and why: a line per reason, nodes of one reason together.
std::string decisions_text(const std::vector<Decision>& decisions, bool all) {
  std::string text;
  for (const bool quantized : {true, false}) {
    std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
    int64_t total = 0;
    for (const Decision& d : decisions) {
      if (d.quantized != quantized) continue;
      ++total;
      const std::string why = str(d.op, ": ", d.why.rfind("absorbed", 0) == 0 ? "absorbed into the operator before" : d.why);
      auto at = std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == why; });
      if (at == reasons.end()) at = reasons.insert(reasons.end(), {why, {}});
      at->second.push_back(d.name);
    }
    text += str(quantized ? "quantized: " : "kept float: ", total, total == 1 ? " node\n" : " nodes\n");
    for (auto& [why, names] : reasons) {
      const size_t shown = all ? names.size() : std::min<size_t>(3, names.size());
      const std::vector<std::string> some(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown));
      text += str("  ", names.size(), " x ", why, " (", join(some, ", "), shown < names.size() ? ", ..." : "", ")\n");
    }
  }
  return text;
}

DocumentList document(const std::vector<Decision>& decisions) {
  DocumentList list;
  for (const Decision& d : decisions)
    list.push_back(Document().set("node", d.name).set("op", d.op).set("quantized", d.quantized).set("why", d.why));
  return list;
}

DocumentList document(const std::vector<SiteRange>& ranges) {
  DocumentList list;
  for (const SiteRange& r : ranges)
    list.push_back(Document().set("node", r.name).set("weights", r.site.side == Side::input).set("min", double{r.min})
                       .set("max", double{r.max}).set("scale", double{r.qparams.scale}).set("zero_point", int64_t{r.qparams.zero})
                       .set("scales", r.parameters).set("observer", r.observer));
  return list;
}

Document document(const Quantized& q) {
  return Document().set("decisions", document(q.decisions)).set("ranges", document(q.calibration.ranges)).set("seconds", q.seconds)
      .set("recipe", to_document(q.recipe));
}

void dry_run(const Args& a, const Recipe& recipe, const Model& model, const Context& c) {
  const Prepared prepared = fuse(model, recipe);
  const Placement placement = set_qconfig(prepared.model, recipe);
  const size_t places = bitwright::needs_of(placement).size();
  int64_t records = places > 0 ? recipe.samples : 0;
  if (records > 0 && a.data.given()) records = std::min(records, a.data.open(&recipe.data)->size());
  const Needs needs = needs_of(Program::compile(prepared.model, {.target = Target::floating}), records, recipe.batch, c);
  if (c.json)
    return c.print(Document().set("decisions", document(placement.decisions)).set("places", static_cast<int64_t>(places))
                       .set("output", a.out).set("needs", to_document(needs)));
  c.print(decisions_text(placement.decisions, a.all));
  c.print(str("would ", places > 0 ? str("calibrate ", places, " places on ", describe(needs)) : "need no calibration",
              "; would write ", a.out.empty() ? "nothing" : a.out, "\n"));
}

void show_notes(const Quantized& q, const Context& c) {
  for (const std::string& pair : describe_state(q.model.graph)) c.sink->note("state: " + pair);
  for (const std::string& note : q.notes) c.sink->note(note);
}

// Ranges alone: of the places that the recipe quantizes, or of the nodes that were named.
void calibrate_only(const Args& a, const Recipe& recipe, const Model& model, const Dataset* data, const Context& c) {
  std::vector<SiteRange> ranges;
  if (a.nodes.empty()) {
    const Quantized q = in_model(a.model, [&] { return quantize(model, recipe, data, c.sink, c.threads); });
    show_notes(q, c);
    ranges = q.calibration.ranges;
  } else {
    if (!data) fail(ErrorCode::usage, "--nodes needs --data");
    ranges = in_model(a.model, [&] { return ranges_of(model, a.nodes, recipe, *data, c.sink, c.threads); });
  }
  if (c.json) c.print(Document().set("ranges", document(ranges)));
  else c.print(ranges_table(ranges));
}

void run_quantize(const Args& a, const Context& c) {
  const Recipe recipe = recipe_of(a);
  if (a.print_recipe) return c.print(c.json ? to_json(to_document(recipe)) + "\n" : to_toml(to_document(recipe)));
  if (a.out.empty() && !a.calibrate_only && !a.dry_run) fail(ErrorCode::usage, "quantize needs -o OUT, --calibrate-only or --dry-run");
  const Model model = load(a.model);
  if (a.dry_run) return in_model(a.model, [&] { dry_run(a, recipe, model, c); });
  if (!a.calibrate_only) check_writable(a.out);
  std::unique_ptr<Dataset> data;
  if (a.data.given()) data = a.data.open(&recipe.data);
  if (a.calibrate_only) return calibrate_only(a, recipe, model, data.get(), c);
  Quantized q = in_model(a.model, [&] { return quantize(model, recipe, data.get(), c.sink, c.threads); });
  q.sources["model"] = file_sha256(a.model);
  if (data && std::filesystem::is_regular_file(a.data.path)) q.sources["data"] = file_sha256(a.data.path);
  const Saved saved = in_model(a.model, [&] { return save(q, a.out); });
  if (!saved.not_run.empty()) c.sink->note(str(a.out, " was read back but not run: ", saved.not_run));
  for (const std::string& note : saved.notes) c.sink->note(note);
  show_notes(q, c);
  if (c.json) return c.print(document(q).set("output", a.out).set("bytes", static_cast<int64_t>(saved.bytes)).set("opset", saved.opset));
  c.print(decisions_text(q.decisions, a.all) +
          str(a.out, ": ", fixed(static_cast<double>(saved.bytes) / 1e6, 6), " MB, ",
              fixed(file_bytes(a.model) / static_cast<double>(saved.bytes), 2), "x smaller, opset ", saved.opset, "; ",
              fixed(q.seconds, 1), " s\n"));
}

void declare_numbers(Options& o, Args& a) {
  o.section("Which numbers");
  o.option("--mode", a.mode, "static (needs data), dynamic or weight-only");
  o.option("--recipe,--preset", a.recipe, "what the options here change: a preset (bitwright, fbgemm, x86, qnnpack, onednn, "
                                          "pytorch_default, onnxruntime, tflite) or a .toml or .json file");
  o.option("--weights", a.weights, "int8, uint8, fp16, int8/tensor, int8/channel, int4/32 (groups of 32), ...");
  o.option("--activations", a.activations, "uint8, int8, uint4, ...");
  o.option("--observer", a.observer, "chooses ranges: minmax, moving_average_minmax, histogram, percentile, entropy, mse, auto, ...");
  o.option("--percentile", a.percentile, "kept share in percent, of the observer percentile");
  o.flag("--per-row", a.per_row, "dynamic: one activation scale per row");
  o.option("--profile", a.profile, "arithmetic of requantization: ort, real or tflite");
}

void declare_places(Options& o, Args& a) {
  o.section("Which nodes");
  o.list("--operators", a.operators, "only these operator types");
  o.list("--exclude", a.exclude, "nodes to keep float (names or patterns)");
  o.option("--first", a.first, "the first layer: float or 8bit");
  o.option("--last", a.last, "the last layer: float or 8bit");
  o.flag("--float-outputs", a.float_outputs, "results of the network stay float (the default preset's way)");
  o.flag("--code-outputs", a.code_outputs, "results of the network become codes (the way of the other presets)");
  o.flag("--no-fuse", a.no_fuse, "no folding, no fusion: grids before and after every activation");
  o.list("--skip-passes", a.skip_passes, "leave out these passes (bitwright explain passes lists them)");
}

void declare_calibration(Options& o, Args& a) {
  o.section("Calibration");
  a.data.declare(o, "calibration data");
  a.network.declare(o);
  o.count("--calibrate", a.samples, "records to calibrate on (recipe: 512)");
  o.count("--batch", a.batch, "records per batch (recipe: 16)");
  o.count("--batches", a.batches, "calibrate on this many batches");
}

Action declare(Options& o) {
  auto a = std::make_shared<Args>();
  o.positional("MODEL", a->model, "the float network (.onnx)");
  o.section("What to do");
  o.option("-o,--output", a->out, "the file to write (.onnx)");
  o.option("--opset", a->opset, "of the written file; else the lowest that holds the network");
  o.option("--style", a->style, "of the written file: qdq (float operators between Q and DQ) or qoperator (QLinearConv ...)");
  o.flag("--dry-run", a->dry_run, "say what would happen, and what it needs in memory and time");
  o.flag("--calibrate-only", a->calibrate_only, "print minimum, maximum, scale and zero point per node, write nothing");
  o.list("--nodes", a->nodes, "with --calibrate-only: these nodes");
  o.flag("--print-recipe", a->print_recipe, "print the complete recipe and stop");
  o.flag("--all", a->all, "name every node");
  declare_numbers(o, *a);
  declare_calibration(o, *a);
  declare_places(o, *a);
  return [a](const Context& c) { run_quantize(*a, c); };
}

}  // namespace

const Command& command_quantize() {
  static const Command command{20, "small numbers for a trained network: static, dynamic or weights alone", declare};
  return command;
}

}  // namespace bitwright::cli
