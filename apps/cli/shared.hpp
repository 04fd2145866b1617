// What several commands share: how a model, data and a recipe are named on the command line.
#pragma once

#include "api/api.hpp"
#include "api/cost.hpp"
#include "command.hpp"
#include "report/table.hpp"

namespace bitwright::cli {

/// --data and what goes with it.
struct DataArgs {
  std::string path, select, description;
  void declare(Options& options, const std::string& help);
  bool given() const { return !path.empty(); }
  /// Refuses what says something about data when there are none. Error{usage}.
  void check() const;
  /// `defaults`: the recipe's [data], used where nothing stands beside the data.
  std::unique_ptr<Dataset> open(const DataOptions* defaults = nullptr) const;
};

/// What a network's file leaves open: --state, which inputs take an output of the step before, and --extents, numbers for
/// its free extents.
struct NetworkArgs {
  std::vector<std::string> state, extents;
  void declare(Options& options);
  /// Applies them and says on the sink what the model keeps.
  void apply(Model& model, Sink* sink) const;
};

/// Refuses a place that cannot be written before any work is done for it. Error{io}.
void check_writable(const std::string& path);
/// `e` with the model's file before it, where its message is about the network and names no file yet.
Error about_model(const Error& e, const std::string& path);
/// f(), errors of which go through about_model.
template <class F>
auto in_model(const std::string& path, F f) {
  try {
    return f();
  } catch (const Error& e) {
    throw about_model(e, path);
  }
}

/// How a network is made ready to run. --no-fuse: a float network as its file has it; else folded and fused as quantize
/// would begin with it, in its own precision. Quantized networks always are what their file says.
struct RunArgs {
  NetworkArgs network;
  bool no_fuse = false;
  void declare(Options& options);
  Model fused(Model model) const;
};

/// A network made ready to run, which keeps its model.
struct Loaded {
  std::string path;
  std::shared_ptr<const Program> program;
  double file_bytes = 0;
};
/// target: "auto" (integers where the model is quantized), "float", "simulated", "integer", "onnxruntime".
/// Notes a "float" that is not the network the file stands for.
Loaded load_program(const std::string& path, const std::string& target, const RunArgs& args = {}, Sink* sink = nullptr);
Target target_named(const std::string& name, const Model& model);
/// The model file with its external data.
double file_bytes(const std::string& path);

/// The same words for the network's outcome in tables and JSON.
Document to_document(const Metric& metric);

}  // namespace bitwright::cli
