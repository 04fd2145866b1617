#include "graph/extents.hpp"

#include <charconv>
#include <map>

#include "core/error.hpp"
#include "core/text.hpp"

namespace bitwright {
namespace {

using Numbers = std::map<int64_t, int64_t>;  // by the (negative) extent that stands for the symbol

int64_t symbol_of_input(const Graph& graph, const std::string& name) {
  std::vector<std::string> names;
  for (const ValueId id : graph.inputs)
    for (const int64_t extent : graph.value(id).shape) {
      if (extent >= 0 || extent == kUnknownDim) continue;
      if (graph.symbol_name(extent) == name) return extent;
      names.push_back(graph.symbol_name(extent));
    }
  const std::string near = nearest(name, names);
  const std::string others = names.empty() ? "; it has none" : str("; it has ", join(names, ", "));
  fail(ErrorCode::usage, "extents: no input has a free extent '", name, "'",
       near.empty() ? others : str("; did you mean '", near, "'?"));
}

int64_t number_of(const std::string& pair, size_t cut) {
  int64_t number = 0;
  const char* end = pair.data() + pair.size();
  const auto [stop, error] = std::from_chars(pair.data() + cut + 1, end, number);
  if (error != std::errc() || stop != end || number < 1)
    fail(ErrorCode::usage, "extents: '", pair, "' is not NAME=NUMBER with a number from 1");
  return number;
}

void replace(Graph& graph, const Numbers& numbers) {
  std::vector<ValueId> ids;
  for (const auto& [id, value] : graph.values()) ids.push_back(id);
  for (const ValueId id : ids)
    for (int64_t& extent : graph.value(id).shape)
      if (const auto at = numbers.find(extent); at != numbers.end()) extent = at->second;
  for (Node& node : graph.nodes)
    for (auto& [key, attribute] : node.attributes)
      if (auto* nested = std::get_if<std::shared_ptr<Graph>>(&attribute)) replace(**nested, numbers);
}

}  // namespace

void fix_extents(Graph& graph, std::span<const std::string> extents) {
  Numbers numbers;
  for (const std::string& pair : extents) {
    const size_t cut = pair.find('=');
    if (cut == std::string::npos) fail(ErrorCode::usage, "extents: '", pair, "' is not NAME=NUMBER with a number from 1");
    const int64_t symbol = symbol_of_input(graph, pair.substr(0, cut));
    numbers[symbol] = number_of(pair, cut);
  }
  if (!numbers.empty()) replace(graph, numbers);
}

}  // namespace bitwright
