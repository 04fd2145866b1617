// The command line of `quantize`: its options, the recipe that they make, and which of them contradict each other.
#pragma once

#include "shared.hpp"

namespace bitwright::cli {

struct QuantizeArgs {
  std::string model, out, recipe = "bitwright", mode, observer, weights, activations, profile, first, last, style;
  DataArgs data;
  NetworkArgs network;
  std::vector<std::string> exclude, operators, nodes, skip_passes;
  int64_t samples = 0, batch = 0, batches = 0, opset = 0;
  double percentile = 0;
  bool no_fuse = false, float_outputs = false, code_outputs = false, per_row = false, calibrate_only = false, dry_run = false, measure_kernels = false, all = false;
  bool print_recipe = false;

  void declare(Options& options);
  /// The recipe that --recipe names with what the other options change. Error{usage}.
  Recipe to_recipe() const;
  /// Refuses options that would do nothing with that recipe or beside the others. Error{usage} names the option and the way out.
  void check(const Recipe& recipe) const;
};

}  // namespace bitwright::cli
