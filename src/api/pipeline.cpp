// The passes that every network goes through before it is quantized.
#include "api/api.hpp"
#include "passes/pass.hpp"

namespace bitwright {

Prepared fuse(Model model, const Recipe& recipe) {
  PassOptions options;
  options.off.insert(recipe.skip_passes.begin(), recipe.skip_passes.end());
  options.fuse = recipe.rules.fuse;
  std::vector<PassRun> runs;
  Prepared prepared;
  prepared.model = simplify(std::move(model), options, &runs);
  for (const PassRun& run : runs)
    for (const std::string& kept : run.report.kept) prepared.notes.push_back(str(run.name, ": ", kept));
  return prepared;
}

}  // namespace bitwright
