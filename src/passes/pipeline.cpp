// The order of the passes, read top to bottom, and what wraps each of them.
#include <algorithm>
#include <chrono>

#include "ops/infer.hpp"
#include "passes/pass.hpp"

namespace bitwright {

#define BW_ITEM(stem) Model pass_##stem(Model model, PassReport& report);
#include "passes_catalogue.inc"
#undef BW_ITEM

namespace {

constexpr Pass kPasses[] = {
#define BW_ITEM(stem) {#stem, pass_##stem},
#include "passes_catalogue.inc"
#undef BW_ITEM
};

struct Stage {
  std::string_view pass;
  bool fusion;  // makes operators of another kind: off with --no-fuse
};

constexpr Stage kPipeline[] = {
    // first, as often as it helps: constant_folding, by which shapes and conditions become known, and inline_if
    {"widen_half", false},
    {"remove_identity", false},       // what stands between patterns
    {"dead_code", false},
    {"fold_gemm_factors", true},      // before batch norms: a scaled bias takes none
    {"fold_batch_norm", true},
    {"merge_pad", true},
    {"fuse_layer_norm", true},
    {"fuse_rms_norm", true},
    {"fuse_gelu", true},
    {"fuse_hard_swish", true},        // before silu: its sigmoid is the hard one
    {"fuse_silu", true},
    {"matmul_add_to_gemm", true},
    {"find_attention", true},
    {"dead_code", false},
};

const Pass& pass_named(std::string_view name) {
  std::vector<std::string> names;
  for (const Pass& pass : kPasses) {
    if (pass.name == name) return pass;
    names.emplace_back(pass.name);
  }
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "there is no pass '", name, "'", near.empty() ? "" : str(", did you mean '", near, "'?"));
}

}  // namespace

std::span<const Pass> passes() { return kPasses; }

Model run_pass(std::string_view name, Model model, const PassOptions& options, std::vector<PassRun>* runs) {
  const Pass& pass = pass_named(name);
  if (options.off.count(std::string(name))) return model;
  const Model before = options.dump ? model : Model();
  PassRun run{std::string(name), 0, {}};
  const auto start = std::chrono::steady_clock::now();
  model = pass.run(std::move(model), run.report);
  run.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  try {
    verify(model);
  } catch (const Error& e) {
    throw e.within(str("after pass '", name, "'"));
  }
  if (options.dump) options.dump(name, before, model);
  if (runs) runs->push_back(std::move(run));
  return model;
}

namespace {

// If within If: what the outer branch computes becomes known only where it has been inlined. What a round leaves is told by
// the last one.
Model inline_branches(Model model, const PassOptions& options, std::vector<PassRun>* runs) {
  for (bool inlined = true; inlined;) {
    std::vector<PassRun> round;
    for (const std::string_view pass : {"constant_folding", "inline_if"}) model = run_pass(pass, std::move(model), options, &round);
    inlined = !round.empty() && round.back().name == "inline_if" && !round.back().report.done.empty();
    for (PassRun& run : round) {
      if (inlined) run.report.kept.clear();
      if (runs) runs->push_back(std::move(run));
    }
  }
  return model;
}

}  // namespace

Model simplify(Model model, const PassOptions& options, std::vector<PassRun>* runs) {
  for (const std::string& name : options.off) pass_named(name);
  model.graph = model.graph.clone();
  model = inline_branches(std::move(model), options, runs);
  infer_shapes(model.graph);  // passes ask for ranks
  for (const Stage& stage : kPipeline)
    if (options.fuse || !stage.fusion) model = run_pass(stage.pass, std::move(model), options, runs);
  return model;
}

}  // namespace bitwright
