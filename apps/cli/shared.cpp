#include "shared.hpp"

#include <algorithm>

#include "core/mapped_file.hpp"
#include "graph/extents.hpp"
#include "graph/state.hpp"
#include "passes/pass.hpp"
#include "io/onnx/onnx.hpp"
#include "measured.hpp"

namespace bitwright::cli {

void DataArgs::declare(Options& options, const std::string& help) {
  options.option("--data", path, help + ": PATH or READER:PATH (bitwright explain data)");
  options.option("--data-options", description, "how records become inputs: a .toml file, or its lines separated by ';' "
                                            "(scale = 0.0039; mean = [0.5]; resize = 256; crop = 224)");
  options.option("--select", select, "records: 'first 512', odd, even, 0:1000, 'shuffle 7' and combinations");
}

void DataArgs::check() const {
  if (given()) return;
  if (!description.empty()) fail(ErrorCode::usage, "--data-options needs --data");
  if (!select.empty()) fail(ErrorCode::usage, "--select needs --data");
}

namespace {

// The lines themselves where there is a '=', else the file that holds them.
void apply_description(DataOptions& options, std::string text) {
  if (text.find('=') == std::string::npos) {
    const MappedFile file = MappedFile::open(text);
    return apply_toml(options, {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, text);
  }
  std::replace(text.begin(), text.end(), ';', '\n');
  apply_toml(options, text, "--data-options");
}

}  // namespace

std::unique_ptr<Dataset> DataArgs::open(const DataOptions* defaults) const {
  DataOptions options = defaults ? *defaults : DataOptions();
  if (!description.empty()) apply_description(options, description);
  std::unique_ptr<Dataset> data = to_toml(options).empty() ? open_dataset(path) : open_dataset(path, options);
  return select.empty() ? std::move(data) : bitwright::select(std::move(data), select);
}

double file_bytes(const std::string& path) { return static_cast<double>(bytes_on_disk(path)); }

void check_writable(const std::string& path) { const FileWriter probe(path); }

Error about_model(const Error& e, const std::string& path) {
  const std::string_view message = e.what();
  const auto starts = [&](std::string_view text) { return message.substr(0, text.size()) == text; };
  for (const std::string_view start : {"node ", "'", "the network", "the model", "nothing would be", "a tensor", "cannot allocate"})
    if (starts(start)) return e.within(path);
  return e;
}

Target target_named(const std::string& name, const Model& model) {
  if (name == "auto") return model.quantization.empty() ? Target::floating : Target::integer;
  if (name == "float") return Target::floating;
  if (name == "simulated") return Target::simulated;
  if (name == "integer") return Target::integer;
  if (name == "onnxruntime") return Target::onnxruntime;
  fail(ErrorCode::usage, "there is no target '", name, "'; there are auto, float, simulated, integer, onnxruntime");
}

void NetworkArgs::declare(Options& options) {
  options.list("--extents", extents, "NAME=NUMBER: free extents made fixed, such as batch=1,length=128");
  options.list("--state", state, "input=output pairs that a network keeps from step to step, 'none' for no state "
                                 "(else: what the file says or names show)");
}

void NetworkArgs::apply(Model& model, Sink* sink) const {
  fix_extents(model.graph, extents);
  declare_state(model.graph, state);
  for (const std::string& pair : describe_state(model.graph)) report_note(sink, "state: " + pair);
}

namespace {

void note_lost_activations(const Loaded& loaded, Sink* sink) {
  const std::vector<std::string> names = activations_in_ranges(loaded.program->model());
  if (names.empty()) return;
  const std::string more = names.size() > 1 ? str(" and ", names.size() - 1, " more") : std::string();
  report_note(sink, str("warning: ", loaded.path, ": the activation function after ", names[0], more,
                        " is only in the range of the codes, which the float target ignores: these are not the numbers of "
                        "the network this file was made from"));
}

}  // namespace

void RunArgs::declare(Options& options) {
  network.declare(options);
  options.flag("--no-fuse", no_fuse, "float networks run as their file has them: nothing folded, nothing fused");
}

Model RunArgs::fused(Model model) const {
  if (no_fuse || !model.quantization.empty()) return model;
  return simplify(std::move(model), {.off = {"widen_half"}});
}

Loaded load_program(const std::string& path, const std::string& target, const RunArgs& args, Sink* sink) {
  Loaded loaded;
  loaded.path = path;
  Model model = load(path);
  args.network.apply(model, sink);
  model = in_model(path, [&] { return args.fused(std::move(model)); });
  const CompileOptions options{.target = target_named(target, model), .kernels = known_kernels(sink)};
  const bool quantized = !model.quantization.empty();
  loaded.program = in_model(path, [&] { return Program::compile(std::move(model), options); });
  if (options.target == Target::floating) note_lost_activations(loaded, sink);
  else if (!quantized)
    report_note(sink, str(path, " is not quantized: the ", name_of(options.target), " target computes it in float"));
  loaded.file_bytes = file_bytes(path);
  return loaded;
}

Document to_document(const Metric& m) {
  Document d;
  d.set("task", name_of(m.task)).set("n", m.n);
  if (m.counts())
    d.set("correct", m.correct).set("accuracy", m.accuracy()).set("low", m.low).set("high", m.high);
  if (m.task == Task::next_token) d.set("bits_per_token", m.bits);
  if (m.task == Task::similarity) d.set("spearman", m.spearman);
  if (m.task == Task::compare) d.set("snr_db", m.snr_db).set("max_error", m.max_error);
  return d.set("seconds", m.seconds);
}

}  // namespace bitwright::cli
