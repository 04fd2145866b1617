// The verbs of the library. Three lines do the main job:
//
//     Model model = load("resnet20.onnx");
//     Quantized small = quantize(model, Recipe(), *open_dataset("cifar10/train.bin"));
//     save(small, "resnet20_int8.onnx");
#pragma once

#include <atomic>
#include <future>

#include "api/metric.hpp"
#include "api/recipe.hpp"

namespace bitwright {

/// Reads a model file (.onnx): Q/DQ patterns of other tools are folded into the table. State is what the file says or what
/// names show (find_state; describe_state tells); `model.graph.state.clear()` makes it plain inputs and outputs again. Notes
/// tell what was left alone.
Model load(const std::string& path);

/// The linear operators whose quantized results start at zero without an activation function in between: the file's writer
/// left a ReLU or ReLU6 to the range of the codes. Run in float they clamp nothing, which is another network.
std::vector<std::string> activations_in_ranges(const Model& model);

struct Prepared {
  Model model;                      // folded and fused, still float
  std::vector<std::string> notes;   // what each pass did, what could not be folded
};
/// What the recipe says of extents and state, half precision widened to float32 (the interface keeps its types), BatchNorm
/// folding, identity removal and the recognition of composed operators; fuse() of the six steps.
Prepared fuse(Model model, const Recipe& recipe = Recipe());

struct Quantized {
  Model model;
  Recipe recipe;
  std::vector<Decision> decisions;   // every node: quantized or not, and why
  CalibrationReport calibration;
  std::vector<std::string> notes;
  std::string data;                  // description of the calibration data
  std::map<std::string, std::string> sources;  // SHA-256 of the files it was made from, by role; the caller fills it
  double seconds = 0;
};

/// Static quantization needs `data`; dynamic and weight-only do not. Errors: usage (recipe against model), mismatch (data
/// against model), numeric (weights or activations without a finite value), cancelled.
Quantized quantize(const Model& model, const Recipe& recipe, const Dataset* data = nullptr, Sink* sink = nullptr,
                   int threads = 0);
inline Quantized quantize(const Model& model, const Recipe& recipe, const Dataset& data) {
  return quantize(model, recipe, &data);
}

/// What calibration sees at these nodes and graph inputs, and the scale and zero point it would choose there, whether or not the
/// recipe quantizes them. Error{usage} for a name that is none, with the nearest.
std::vector<SiteRange> ranges_of(const Model& model, const std::vector<std::string>& nodes, const Recipe& recipe,
                                 const Dataset& data, Sink* sink = nullptr, int threads = 0);

struct SaveOptions {
  int64_t opset = 0;  // 0: the lowest that holds the network
  QuantizedStyle style = QuantizedStyle::qdq;
  size_t external_above = size_t{1900} << 20;  // a larger file gets its tensors in <file>.data beside it
  size_t run_up_to = size_t{1} << 30;          // networks with more bytes of weights are compared tensor by tensor, not run
};
struct Saved {
  size_t bytes = 0;
  int opset = 0;
  std::string not_run;  // why the file was not executed (the network cannot be, or takes too much); empty: it was
  std::vector<std::string> notes;  // what the file format cannot say
};
/// Writes ONNX, in a folder of its own; reads the file back, runs it on random inputs and compares the outputs with the
/// model's before it gets its place: all bits where every step is exact, else 40 dB. Error{mismatch} if it does not do the
/// same, {unsupported} for what the opset or ONNX cannot express, {io}.
Saved save(const Model& model, const std::string& path, const SaveOptions& options = {});
/// The same with recipe and manifest in the metadata; opset and style are the recipe's.
Saved save(const Quantized& quantized, const std::string& path);

/// 64 hexadecimal digits. Error{io}.
std::string file_sha256(const std::string& path);
/// The same while something else is done: on a thread of its own from here on, or, not `apart`, when it is asked for. What is no
/// longer wanted is given up.
class FileHash {
 public:
  explicit FileHash(std::string path, bool apart = true);
  ~FileHash();
  FileHash(const FileHash&) = delete;
  FileHash& operator=(const FileHash&) = delete;
  /// Waits for it; once. Error{io}.
  std::string get() { return hash_.get(); }

 private:
  std::atomic<bool> given_up_{false};
  std::future<std::string> hash_;
};
/// What the manifest of a written model says: version, recipe, data, hashes of the files it was made from.
std::map<std::string, std::string> manifest(const Quantized& quantized);

/// The batches of a data set for a network: `samples` records at most, `batch` per run, one where the network keeps state.
/// Model and data must outlive them.
Batches batches_of(const Model& model, const Dataset& data, int64_t samples, int64_t batch);

/// Random inputs of the program's default shapes: normal numbers for floats, small ones for integers; the same for equal seeds.
std::vector<Tensor> random_inputs(const Program& program, int64_t batch, uint64_t seed, int64_t length = 0);

// ---- The six steps as PyTorch names them (mission A1.10): fuse, add_quant_stubs, set_qconfig, prepare, calibrate, convert

/// Marks the network's inputs and outputs as places where floats become codes and back. Here they are found by themselves.
Model add_quant_stubs(Model model);
/// Which places get which scheme.
Placement set_qconfig(Model model, const Recipe& recipe);

/// A float network with observers: its outputs are bit-identical to the float network's.
class Observed {
 public:
  Observed(Placement placement, const Recipe& recipe);
  /// Runs one batch, watches what belongs to the records that count, and returns the float outputs.
  std::vector<Tensor> operator()(std::span<const Tensor> inputs, const Counted& counted = {});
  /// State back to zero, for networks that keep one from call to call.
  void begin_sequence();

 private:
  friend Model convert(Observed observed);
  Placement placement_;
  CalibrateOptions options_;
  std::map<Site, Needs> needs_;
  std::map<Site, Statistics> seen_;
  std::unique_ptr<Run> run_;
};
Observed prepare(Placement placement, const Recipe& recipe);
/// Feeds every batch of the data.
void calibrate(Observed& observed, const Batches& batches);
/// The quantized model.
Model convert(Observed observed);

}  // namespace bitwright
