#include "graph/state.hpp"

#include <algorithm>
#include <cctype>

#include "core/error.hpp"
#include "core/text.hpp"

namespace bitwright {
namespace {

// Free extents fit any; outputs of unknown type or shape may turn out right.
bool compatible(const Value& input, const Value& output) {
  if (input.dtype != output.dtype && input.dtype != DType::none && output.dtype != DType::none) return false;
  if (!input.has_shape || !output.has_shape) return true;
  if (input.shape.size() != output.shape.size()) return false;
  for (size_t i = 0; i < input.shape.size(); ++i)
    if (input.shape[i] >= 0 && output.shape[i] >= 0 && input.shape[i] != output.shape[i]) return false;
  return true;
}

bool has_partner(const Graph& graph, uint32_t StatePair::*side, uint32_t number) {
  return std::any_of(graph.state.begin(), graph.state.end(), [&](const StatePair& pair) { return pair.*side == number; });
}

std::string type_text(const Graph& graph, const Value& value) {
  return str(name_of(value.dtype), value.has_shape ? graph.shape_text(value.shape) : std::string());
}

uint32_t find_port(const Graph& graph, const std::vector<ValueId>& ports, const std::string& name, std::string_view what) {
  std::vector<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    names.push_back(graph.value(ports[i]).name);
    if (names.back() == name) return static_cast<uint32_t>(i);
  }
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "state: the network has no ", what, " '", name, "'",
       near.empty() ? str("; it has ", join(names, ", ")) : str("; did you mean '", near, "'?"));
}

// ---- names

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "past_key_values.0.key" -> past key values 0 key; "stateN" -> state n.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool hump = i > 0 && std::isupper(c) && std::islower(static_cast<unsigned char>(name[i - 1]));
    if ((hump || !std::isalnum(c)) && !words.back().empty()) words.emplace_back();
    if (std::isalnum(c)) words.back() += static_cast<char>(std::tolower(c));
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// What stays of a name without the words that tell coming from going; empty where the name does not speak of state.
std::string state_stem(const std::string& name) {
  std::vector<std::string> words = words_of(name);
  bool speaks = false;
  std::string stem;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "past" || word == "present") speaks = true;
    if (i > 0 && words[i - 1] == "past" && word == "key" && i + 1 < words.size() && words[i + 1] == "values") {
      ++i;  // past_key_values.0.key stands against present.0.key
      continue;
    }
    if (is_one_of(word, {"h0", "hn", "c0", "cn", "hx", "cx", "hy", "cy"})) word.pop_back();  // h_0 as PyTorch writes it
    if (is_one_of(word, {"in", "input", "out", "output", "new", "next", "prev", "previous", "past", "present", "initial",
                         "init", "last", "old", "final", "n"}))
      continue;
    if (word == "0" && i + 1 == words.size()) continue;
    speaks = speaks || is_one_of(word, {"state", "states", "hidden", "cell", "cache", "memory", "h", "c", "rnn", "lstm", "gru"});
    stem += "." + word;
  }
  return speaks ? stem : std::string();
}

}  // namespace

void declare_state(Graph& graph, std::span<const std::string> pairs) {
  if (pairs.size() == 1 && pairs[0] == "none") return graph.state.clear();
  for (const std::string& pair : pairs) {
    const size_t cut = pair.find('=');
    if (cut == std::string::npos) fail(ErrorCode::usage, "state: '", pair, "' is not input=output");
    const uint32_t input = find_port(graph, graph.inputs, pair.substr(0, cut), "input");
    const uint32_t output = find_port(graph, graph.outputs, pair.substr(cut + 1), "output");
    const auto same = [&](const StatePair& old) { return old.input == input && old.output == output; };
    if (std::any_of(graph.state.begin(), graph.state.end(), same)) continue;
    if (has_partner(graph, &StatePair::input, input) || has_partner(graph, &StatePair::output, output))
      fail(ErrorCode::usage, "state: '", pair, "': one of them has another partner already");
    const Value &from = graph.value(graph.inputs[input]), &to = graph.value(graph.outputs[output]);
    if (!compatible(from, to))
      fail(ErrorCode::usage, "state: '", pair, "': the input is ", type_text(graph, from), ", the output ", type_text(graph, to));
    graph.state.push_back({input, output});
  }
}

size_t find_state(Graph& graph) {
  std::vector<std::string> inputs, outputs;
  for (const ValueId id : graph.inputs) inputs.push_back(state_stem(graph.value(id).name));
  for (const ValueId id : graph.outputs) outputs.push_back(state_stem(graph.value(id).name));
  const size_t before = graph.state.size();
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].empty() || std::count(inputs.begin(), inputs.end(), inputs[i]) != 1) continue;
    if (std::count(outputs.begin(), outputs.end(), inputs[i]) != 1) continue;
    const auto k = static_cast<uint32_t>(std::find(outputs.begin(), outputs.end(), inputs[i]) - outputs.begin());
    if (has_partner(graph, &StatePair::input, i) || has_partner(graph, &StatePair::output, k)) continue;
    if (compatible(graph.value(graph.inputs[i]), graph.value(graph.outputs[k]))) graph.state.push_back({i, k});
  }
  if (graph.state.size() == graph.inputs.size() || graph.state.size() == graph.outputs.size()) graph.state.resize(before);
  return graph.state.size() - before;
}

std::vector<std::string> describe_state(const Graph& graph) {
  std::vector<std::string> lines;
  for (const StatePair& pair : graph.state)
    lines.push_back(str("input '", graph.value(graph.inputs[pair.input]).name, "' takes output '",
                        graph.value(graph.outputs[pair.output]).name, "' of the step before"));
  return lines;
}

std::vector<std::string> state_candidates(const Graph& graph, const std::string& input) {
  std::vector<std::string> names;
  for (const ValueId id : graph.inputs) {
    if (graph.value(id).name != input) continue;
    for (uint32_t k = 0; k < graph.outputs.size(); ++k)
      if (!has_partner(graph, &StatePair::output, k) && compatible(graph.value(id), graph.value(graph.outputs[k])))
        names.push_back(graph.value(graph.outputs[k]).name);
  }
  return names;
}

}  // namespace bitwright
