// Reading and writing whole models. A written file is read back and run before it gets its name.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "api/api.hpp"
#include "core/mapped_file.hpp"
#include "core/sha256.hpp"
#include "graph/state.hpp"
#include "io/onnx/onnx.hpp"
#include "passes/fold.hpp"

namespace bitwright {
namespace {

constexpr std::string_view kVersion = "0.1.0";

void check_extension(const std::string& path) {
  if (std::filesystem::path(path).extension() != ".onnx")
    fail(ErrorCode::unsupported, path, ": only ONNX files can be written; the name must end in .onnx");
}

struct Temporary {
  std::string path;
  ~Temporary() {
    std::remove(path.c_str());
    std::remove((path + ".data").c_str());
  }
};

bool all_exact(const Program& program) {
  for (const StepInfo& step : program.steps(program.default_shapes()))
    if (!step.exact) return false;
  return true;
}

// Signal to noise in dB; infinite for equal tensors.
double snr_db(const Tensor& want, const Tensor& got) {
  const Tensor a = to_f32(want), b = to_f32(got);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < a.values<float>().size(); ++i) {
    const double d = double{a.values<float>()[i]} - b.values<float>()[i];
    signal += double{a.values<float>()[i]} * a.values<float>()[i];
    noise += d * d;
  }
  return noise > 0 ? 10 * std::log10(signal / noise) : INFINITY;
}

// Equal outputs of the model and of the file read back: the table survived the way through the file format. Where some
// steps are float, another kernel may round otherwise (a Cast of fp16 weights is one more node), so 40 dB must do.
void check_written(const Model& model, const std::string& path) {
  const auto before = Program::compile(model, {}), after = Program::compile(load(path), {});
  const std::vector<Tensor> inputs = random_inputs(before->inputs(), 1, 1);
  Run run_before(before), run_after(after);
  if (!before->state().empty()) run_before(inputs), run_after(inputs);  // the second step sees whether the pairs came along
  const auto& want = run_before(inputs);
  const auto& got = run_after(inputs);
  const bool exact = all_exact(*before) && all_exact(*after);
  for (size_t i = 0; i < want.size(); ++i) {
    const bool comparable = i < got.size() && got[i].shape() == want[i].shape() && got[i].dtype() == want[i].dtype();
    const bool equal = comparable && (identical(got[i], want[i]) || (!exact && is_float(want[i].dtype()) && snr_db(want[i], got[i]) >= 40));
    if (!equal)
      fail(ErrorCode::mismatch, "the file read back gives another output '", before->outputs()[i].name,
           "' than the model; nothing was written");
  }
}

// save() under a temporary name; errors name the file that was asked for.
Saved save_as(const Model& model, const std::string& temporary, const std::string& path, int64_t opset) {
  try {
    return save(model, temporary, opset);
  } catch (const Error& e) {
    const std::string message = e.what();
    if (message.compare(0, temporary.size(), temporary) != 0) throw;
    fail(e.code(), path, message.substr(temporary.size()));
  }
}

}  // namespace

Model load(const std::string& path) {
  Model model = read_onnx(path);
  FoldReport report;
  model = fold(std::move(model), &report);
  for (const std::string& kept : report.kept) model.info.notes.push_back(kept);
  if (model.graph.state.empty()) find_state(model.graph);
  return model;
}

Saved save(const Model& model, const std::string& path, int64_t opset) {
  check_extension(path);
  OnnxWriteOptions options;
  if (opset > 0) options.opset = static_cast<int>(opset);
  const OnnxWritten written = write_onnx(materialise(model), path, options);
  return {written.bytes, written.opset};
}

std::string file_sha256(const std::string& path) { return sha256(MappedFile::open(path).bytes); }

std::map<std::string, std::string> manifest(const Quantized& quantized) {
  std::map<std::string, std::string> m;
  m["bitwright.version"] = kVersion;
  m["bitwright.recipe"] = to_json(to_document(quantized.recipe), -1);
  if (!quantized.data.empty()) m["bitwright.data"] = quantized.data;
  for (const auto& [role, hash] : quantized.sources) m["bitwright.sha256." + role] = hash;
  return m;
}

Saved save(const Quantized& quantized, const std::string& path) {
  check_extension(path);
  { const FileWriter probe(path); }  // an unwritable place is named as the user wrote it
  Model model = quantized.model;
  for (const auto& [key, value] : manifest(quantized)) model.info.metadata[key] = value;
  const Temporary unchecked{path + ".unchecked.onnx"};
  const Saved saved = save_as(model, unchecked.path, path, quantized.recipe.opset);
  check_written(quantized.model, unchecked.path);
  std::error_code error;
  if (std::filesystem::exists(unchecked.path + ".data", error)) return save(model, path, quantized.recipe.opset);
  std::filesystem::rename(unchecked.path, path, error);  // external data are named in the model: that file is written anew
  if (error) fail(ErrorCode::io, path, ": cannot be written: ", error.message());
  return saved;
}

}  // namespace bitwright
