#include "explain/explain.hpp"

#include <cstdlib>

namespace bitwright::cli {

std::vector<double> numbers(const ExplainArgs& args) {
  if (args.words.empty()) fail(ErrorCode::usage, "explain ", args.topic, " needs numbers");
  std::vector<double> values;
  for (const std::string& word : args.words) {
    char* end = nullptr;
    values.push_back(std::strtod(word.c_str(), &end));
    if (word.empty() || *end != 0) fail(ErrorCode::usage, "'", word, "' is no number");
  }
  return values;
}

void print_table(const Context& c, const std::string& name, const TextTable& table) {
  if (c.json) c.print(Document().set(name, table.document()));
  else c.print(table.text());
}

namespace {

const Topic* const kTopics[] = {&kTopicBits, &kTopicQParams, &kTopicLayer, &kTopicData, &kTopicFormats, &kTopicChoices, &kTopicPresets, &kTopicPasses};

void check_options(const ExplainArgs& args) {
  const auto belongs = [&](const char* option, bool given, std::string_view topic) {
    if (given && args.topic != topic) fail(ErrorCode::usage, option, " belongs to explain ", topic);
  };
  belongs("--type", !args.type.empty(), kTopicBits.name);
  belongs("--mode", !args.mode.empty(), kTopicQParams.name);
  belongs("--bits", args.bits > 0, kTopicQParams.name);
  belongs("--data", args.data.given(), kTopicLayer.name);
  args.data.check();
}

void run_explain(const ExplainArgs& args, const Context& c) {
  std::vector<std::string> names;
  for (const Topic* topic : kTopics) {
    if (topic->name == args.topic) return check_options(args), topic->explain(args, c);
    names.emplace_back(topic->name);
  }
  const std::string near = nearest(args.topic, names);
  fail(ErrorCode::usage, "nothing is known about '", args.topic, "'; ",
       near.empty() ? "topics are " + join(names, ", ") : "did you mean '" + near + "'?");
}

Action declare(Options& o) {
  auto args = std::make_shared<ExplainArgs>();
  o.positional("TOPIC", args->topic, "what to explain, see below");
  o.list("WORDS", args->words, "numbers, separated by commas or spaces, or what the topic wants");
  o.option("--type", args->type, "bits: float32 (default), fp16, bf16, float64, int8, uint4, ...");
  o.option("--mode", args->mode, "qparams: normal (default), clip, affine, symmetric or restricted");
  o.count("--bits", args->bits, "qparams: width of the codes, 2 to 16 (default: 8)");
  args->data.declare(o, "layer: what runs through it");
  std::string topics = "Topics:\n";
  for (const Topic* topic : kTopics)
    topics += str("  ", topic->name, std::string(9 - topic->name.size(), ' '), topic->about, "\n");
  o.footer(topics + "\nExamples:\n  bitwright explain bits 85.125\n  bitwright explain qparams 0.6004,-1.0151,1.1885\n"
                    "  bitwright explain layer net.int8.onnx conv1 --data test/");
  return [args](const Context& c) { run_explain(*args, c); };
}

}  // namespace

const Command& command_explain() {
  static const Command command{70, "the arithmetic itself: bits of a number, scale and zero point, one layer's dataflow", declare};
  return command;
}

}  // namespace bitwright::cli
