// The passes that every network goes through before it is quantized.
#include <algorithm>

#include "api/api.hpp"
#include "graph/extents.hpp"
#include "graph/state.hpp"
#include "passes/pass.hpp"

namespace bitwright {

namespace {

// "node 'a' (Op): reason" for many nodes becomes one line per reason that names the first of them.
void add_notes(const PassRun& run, std::vector<std::string>& notes) {
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons;
  for (const std::string& kept : run.report.kept) {
    const size_t cut = kept.find("): ");
    const std::string node = cut == std::string::npos ? kept : kept.substr(0, cut + 1);
    const std::string why = cut == std::string::npos ? std::string() : kept.substr(cut + 1);
    auto at = std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == why && !why.empty(); });
    if (at == reasons.end()) at = reasons.insert(reasons.end(), {why, {}});
    at->second.push_back(node);
  }
  for (const auto& [why, nodes] : reasons) {
    const std::string more = nodes.size() > 1 ? str(" and ", nodes.size() - 1, " more") : std::string();
    notes.push_back(str(run.name, ": ", nodes.front(), more, why));
  }
}

}  // namespace

Prepared fuse(Model model, const Recipe& recipe) {
  model.graph = model.graph.clone();
  fix_extents(model.graph, recipe.extents);
  declare_state(model.graph, recipe.state);
  PassOptions options;
  options.off.insert(recipe.skip_passes.begin(), recipe.skip_passes.end());
  options.fuse = recipe.rules.fuse;
  std::vector<PassRun> runs;
  Prepared prepared;
  prepared.model = simplify(std::move(model), options, &runs);
  for (const PassRun& run : runs) {
    if (run.name == "widen_half") prepared.notes = run.report.done;  // the one pass after which numbers have another type
    add_notes(run, prepared.notes);
  }
  return prepared;
}

}  // namespace bitwright
