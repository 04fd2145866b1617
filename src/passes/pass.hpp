// A pass maps Model to Model and says what it did and what it left alone, and why. To add one, add one file to
// passes/catalogue/: file `<stem>.cpp` defines
//
//     Model pass_<stem>(Model model, PassReport& report);
//
// and pipeline.cpp says when it runs. Each rewrite is headed by its algebra in one line.
#pragma once

#include <functional>
#include <set>

#include "graph/quantization.hpp"

namespace bitwright {

struct PassReport {
  std::vector<std::string> done;  // "node 'bn1' (BatchNormalization): folded into node 'conv1' (Conv)"
  std::vector<std::string> kept;  // "node 'bn2' (BatchNormalization): its input has other readers"
};

struct Pass {
  std::string_view name;
  Model (*run)(Model model, PassReport& report);
};
/// Every pass, ordered by name.
std::span<const Pass> passes();

struct PassOptions {
  std::set<std::string> off;  // names of passes that do not run
  bool fuse = true;           // false: only what removes nodes without making operators of another kind
  std::function<void(std::string_view pass, const Model& before, const Model& after)> dump;
};
struct PassRun {
  std::string name;
  double ms = 0;
  PassReport report;
};

/// One pass, timed, its result verified. Throws Error{usage} naming the nearest pass.
Model run_pass(std::string_view name, Model model, const PassOptions& options = {}, std::vector<PassRun>* runs = nullptr);

/// The pipeline for a float model after `fold`: the function stays the same within float rounding. Throws Error{usage}
/// for an unknown name in options.off.
Model simplify(Model model, const PassOptions& options = {}, std::vector<PassRun>* runs = nullptr);

}  // namespace bitwright
