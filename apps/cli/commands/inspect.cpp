#include <algorithm>
#include <map>

#include "core/utf8.hpp"
#include "graph/nested.hpp"
#include "graph/state.hpp"
#include "report/model_text.hpp"
#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string model, target;
  std::vector<std::string> nodes;
  RunArgs run;
  bool values = false, steps = false;
};

std::string type_text(const Graph& graph, ValueId id) {
  const Value& v = graph.value(id);
  return str(one_line(v.name), " ", name_of(v.dtype), " ", v.has_shape ? graph.shape_text(v.shape) : "of unknown shape");
}

int64_t parameters(const Graph& graph) {
  int64_t total = 0;
  for (const auto& [id, value] : graph.values())
    if (value.is_constant() && is_float(value.dtype)) total += value.constant.elements();
  for (const Node& node : graph.nodes) for_each_nested(node, [&](const Graph& nested) { total += parameters(nested); });
  return total;
}

bool chosen(const Args& args, const std::string& name) {
  if (args.nodes.empty()) return true;
  for (const std::string& pattern : args.nodes)
    if (glob_match(pattern, name)) return true;
  return false;
}

std::string header(const Args& args, const Model& model) {
  const Graph& g = model.graph;
  std::string text = str(args.model, ": ", fixed(file_bytes(args.model) / 1e6, 6), " MB, opset ",
                         model.info.opsets.count("") ? model.info.opsets.at("") : 0, ", ", g.nodes.size(), " nodes, ",
                         parameters(g), " parameters, ", model.quantization.at.size(), " quantized places\n");
  for (const ValueId id : g.inputs) text += "input  " + type_text(g, id) + "\n";
  for (const ValueId id : g.outputs) text += "output " + type_text(g, id) + "\n";
  for (const std::string& pair : describe_state(g)) text += "state  " + pair + "\n";
  std::map<std::string, int> kinds;
  for (const Node& node : g.nodes) ++kinds[node.op];
  std::vector<std::string> parts;
  for (const auto& [op, n] : kinds) parts.push_back(str(n, " ", op));
  return text + "operators: " + join(parts, ", ") + "\n";
}

std::string values_text(const Args& args, const Model& model) {
  std::string text;
  for (const auto& [site, entry] : model.quantization.at) {
    const PlacedNode at = placed_node(model.graph, site.node);
    if (!at.node || entry.codes.empty() || !chosen(args, label(*at.graph, *at.node))) continue;
    text += str("\n", label(*at.graph, *at.node), " input ", site.index, " ", to_string(entry.codes.shape()), " ",
                describe(entry.chain.back()), "\n", codes_text(entry.codes));
  }
  return text;
}

std::vector<StepInfo> steps_of(const Model& model, const std::string& target) {
  const auto program = Program::compile(model, {.target = target_named(target, model)});
  return program->steps(program->default_shapes());
}

DocumentList steps_document(const std::vector<StepInfo>& steps) {
  DocumentList list;
  for (const StepInfo& step : steps)
    list.push_back(Document().set("step", step.name).set("kernel", step.kernel).set("integer", step.integer).set("exact", step.exact)
                       .set("notes", DocumentList(step.notes.begin(), step.notes.end())));
  return list;
}

std::string steps_text(const std::vector<StepInfo>& all) {
  TextTable table({"step", "kernel", "in integers", "exact"});
  std::vector<std::pair<std::string, std::vector<std::string>>> notes;  // steps with the same note stand in one line
  for (const StepInfo& step : all) {
    table.row({step.name, step.kernel, step.integer ? "yes" : "", step.exact ? "yes" : "not across instruction sets"});
    for (const std::string& note : step.notes) {
      auto at = std::find_if(notes.begin(), notes.end(), [&](const auto& n) { return n.first == note; });
      if (at == notes.end()) at = notes.insert(at, {note, {}});
      at->second.push_back(step.name);
    }
  }
  std::string text = "\n" + table.text() + (notes.empty() ? "" : "\n");
  for (const auto& [note, steps] : notes)
    text += str(note, "\n    ", one_line(steps.front()), steps.size() > 1 ? str(" and ", steps.size() - 1, " more") : std::string(), "\n");
  return text;
}

// Every place of the table: whose value, on which grid; with --values its codes.
DocumentList places(const Args& args, const Model& model) {
  constexpr std::string_view kSides[] = {"output", "input", "inner"};
  DocumentList list;
  for (const auto& [site, entry] : model.quantization.at) {
    const PlacedNode at = placed_node(model.graph, site.node);
    const std::string name = at.node ? label(*at.graph, *at.node) : model.graph.value(model.graph.inputs[site.index]).name;
    if (!chosen(args, name) || entry.chain.empty()) continue;
    const Grid& grid = entry.chain.back();
    DocumentList scales, zeros, codes;
    for (int64_t k = 0; k < grid.scale.elements(); ++k) scales.push_back(value_as_double(grid.scale, k));
    for (int64_t k = 0; k < grid.zero.elements(); ++k) zeros.push_back(value_as_double(grid.zero, k));
    for (int64_t k = 0; args.values && k < entry.codes.elements(); ++k) codes.push_back(value_as_int(entry.codes, k));
    Document place = Document().set("node", name).set("side", kSides[static_cast<size_t>(site.side)]).set("index", int64_t{site.index});
    place.set("format", grid.format->name).set("at_run", entry.when == When::at_run).set("scales", scales).set("zero_points", zeros);
    if (args.values && !entry.codes.empty()) place.set("shape", to_string(entry.codes.shape())).set("codes", codes);
    list.push_back(place);
  }
  return list;
}

// --nodes that name nothing are mistakes.
void check_nodes(const Args& args, const std::vector<ModuleLine>& lines) {
  std::vector<std::string> names;
  for (const ModuleLine& line : lines) names.push_back(line.name);
  for (const std::string& pattern : args.nodes) {
    if (std::any_of(names.begin(), names.end(), [&](const std::string& name) { return glob_match(pattern, name); })) continue;
    const std::string near = nearest(pattern, names);
    fail(ErrorCode::usage, "--nodes: there is no node '", pattern, "'", near.empty() ? "" : "; did you mean '" + near + "'?");
  }
}

// Layers that were measured faster in float when the file was made, and how much; of its recipe, which may be anything.
std::map<std::string, std::string> kept_float(const Model& model) {
  std::map<std::string, std::string> why;
  const auto recipe = model.info.metadata.find("bitwright.recipe");
  if (recipe == model.info.metadata.end()) return why;
  const auto text = [](const Document& table, std::string_view key) {
    const Document* found = table.find(key);
    const auto* value = found ? std::get_if<std::string>(&found->value) : nullptr;
    return value ? *value : std::string();
  };
  try {
    const Document document = parse_json(recipe->second, "recipe");
    const Document* overrides = document.find("override");
    const auto* list = overrides ? std::get_if<DocumentList>(&overrides->value) : nullptr;
    for (const Document& item : list ? *list : DocumentList())
      if (!text(item, "why").empty()) why[text(item, "match")] = text(item, "why");
  } catch (const Error&) {
  }
  return why;
}

void run_inspect(const Args& args, const Context& c) {
  if (!args.target.empty() && !args.steps) fail(ErrorCode::usage, "--target belongs to --steps");
  Model model = load(args.model);
  args.run.network.apply(model, nullptr);
  for (const std::string& note : model.info.notes) c.sink->note(note);
  std::vector<ModuleLine> lines = module_lines(model);
  for (const auto& [name, why] : kept_float(model))
    for (ModuleLine& line : lines)
      if (line.name == name) line.text += "; float: " + why;
  check_nodes(args, lines);
  const auto steps = [&] { return in_model(args.model, [&] { return steps_of(args.run.fused(model), args.target.empty() ? "auto" : args.target); }); };
  if (c.json) {
    DocumentList layers;
    for (const ModuleLine& line : lines)
      if (chosen(args, line.name)) layers.push_back(Document().set("name", line.name).set("layer", line.text));
    Document d = Document().set("model", args.model).set("bytes", static_cast<int64_t>(file_bytes(args.model)))
                       .set("parameters", parameters(model.graph)).set("layers", layers).set("places", places(args, model));
    if (args.steps) d.set("steps", steps_document(steps()));
    return c.print(d);
  }
  c.print(header(args, model));
  for (const ModuleLine& line : lines)
    if (chosen(args, line.name)) c.print("  (" + one_line(line.name) + "): " + line.text + "\n");
  if (args.values) c.print(values_text(args, model));
  if (!args.steps) return;
  c.print(steps_text(steps()));
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positional("MODEL", args->model, "the network (.onnx)");
  o.list("--nodes", args->nodes, "only these (names or patterns)");
  args->run.declare(o);
  o.flag("--values", args->values, "the integer codes, too");
  o.flag("--steps", args->steps, "what the engine makes of it: kernels, certificates");
  o.option("--target", args->target, "of --steps: auto (default), float, simulated, integer, onnxruntime");
  return [args](const Context& c) { run_inspect(*args, c); };
}

}  // namespace

const Command& command_inspect() {
  static const Command command{10, "what is in a network: layers, formats, scales, codes", declare};
  return command;
}

}  // namespace bitwright::cli
