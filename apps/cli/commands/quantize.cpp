#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/utf8.hpp"
#include "graph/state.hpp"
#include "measured.hpp"
#include "needs.hpp"
#include "quantize_args.hpp"

namespace bitwright::cli {
namespace {

using Args = QuantizeArgs;

constexpr double kSecondsPerLayer = 0.1;

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
      at->second.push_back(one_line(d.name));
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

// Nothing is quantized; the network is run only where the real thing would run it.
void dry_run(const Args& a, const Recipe& recipe, const Model& model, const Context& c) {
  const Prepared prepared = fuse(model, recipe);
  const Placement placement = set_qconfig(prepared.model, recipe);
  const WeightNeeds weights = weight_needs_of(placement);
  const auto places = static_cast<int64_t>(bitwright::needs_of(placement).size());
  Document report = Document().set("decisions", document(placement.decisions)).set("places", places).set("output", a.out)
                        .set("weights", to_document(weights));
  std::string calibration = "need no calibration";
  if (places > 0) {
    std::unique_ptr<Dataset> data;
    if (a.data.given()) data = a.data.open(&recipe.data);
    const int64_t records = data ? std::min(recipe.samples, data->size()) : recipe.samples;
    const Needs needs = needs_of(Program::compile(prepared.model, {.target = Target::floating}), data.get(), records, recipe.batch, c);
    report.set("needs", to_document(needs));
    calibration = str("calibrate ", places, " places on ", describe(needs));
  }
  if (c.json) return c.print(report);
  c.print(decisions_text(placement.decisions, a.all));
  c.print(str("would ", calibration, "; make codes of ", describe(weights), "; would write ", a.out.empty() ? "nothing" : a.out, "\n"));
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
    ranges = in_model(a.model, [&] { return ranges_of(model, a.nodes, recipe, *data, c.sink, c.threads); });
  }
  if (c.json) c.print(Document().set("ranges", document(ranges)));
  else c.print(ranges_table(ranges));
}

/// What is measured is said and kept: kernels for later runs, layers that stay float in the recipe.
Quantized measured(const Args& a, const Model& model, Quantized q, const Dataset* data, const Context& c) {
  const auto program = Program::compile(q.model);
  const Sample sample = data ? sample_of(*program, *data) : sample_of(*program);
  const CompileOptions options = with_measured_kernels(q.model, {}, sample, c);
  const std::vector<SlowLayer> slow = slow_in_integers(q.model, options, sample.shapes(), step_clock(sample, c.threads, kSecondsPerLayer));
  if (slow.empty()) return q;
  const Recipe recipe = keeping_float(q.recipe, slow);
  for (const SlowLayer& layer : slow)
    report_note(c.sink, str("'", layer.name, "' stays float: ", fixed(layer.float_us, 1), " us with its conversions, ",
                            fixed(layer.integer_us, 1), " in integers"));
  return in_model(a.model, [&] { return quantize(model, recipe, data, c.sink, c.threads); });
}

void run_quantize(const Args& a, const Context& c) {
  const Recipe recipe = a.to_recipe();
  a.check(recipe);
  if (a.print_recipe) return c.print(c.json ? to_json(to_document(recipe)) + "\n" : to_toml(to_document(recipe)));
  std::optional<FileHash> model_hash, data_hash;
  const bool apart = c.threads != 1;
  if (!a.dry_run && !a.calibrate_only) model_hash.emplace(a.model, apart);
  const Model model = load(a.model);
  if (a.dry_run) return in_model(a.model, [&] { dry_run(a, recipe, model, c); });
  if (!a.calibrate_only) check_writable(a.out);
  std::unique_ptr<Dataset> data;
  if (a.data.given()) data = a.data.open(&recipe.data);
  if (a.calibrate_only) return calibrate_only(a, recipe, model, data.get(), c);
  if (data && std::filesystem::is_regular_file(a.data.path)) data_hash.emplace(a.data.path, apart);
  Quantized q = in_model(a.model, [&] { return quantize(model, recipe, data.get(), c.sink, c.threads); });
  if (a.measure_kernels) q = measured(a, model, std::move(q), data.get(), c);
  q.sources["model"] = model_hash->get();
  if (data_hash) q.sources["data"] = data_hash->get();
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

Action declare(Options& o) {
  auto a = std::make_shared<Args>();
  a->declare(o);
  return [a](const Context& c) { run_quantize(*a, c); };
}

}  // namespace

const Command& command_quantize() {
  static const Command command{20, "small numbers for a trained network: static, dynamic or weights alone", declare};
  return command;
}

}  // namespace bitwright::cli
