// Reading and writing whole models. A written file is read back and run before it gets its name.
#include <cstdio>
#include <filesystem>

#include "api/api.hpp"
#include "core/mapped_file.hpp"
#include "core/sha256.hpp"
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

// Equal outputs of the model and of the file read back: the table survived the way through the file format.
void check_written(const Model& model, const std::string& path) {
  const auto before = Program::compile(model, {}), after = Program::compile(load(path), {});
  const std::vector<Tensor> inputs = random_inputs(before->inputs(), 1, 1);
  Run run_before(before), run_after(after);
  const auto& want = run_before(inputs);
  const auto& got = run_after(inputs);
  for (size_t i = 0; i < want.size(); ++i)
    if (i >= got.size() || !identical(got[i], want[i]))
      fail(ErrorCode::mismatch, "the file read back gives another output '", before->outputs()[i].name,
           "' than the model; nothing was written");
}

}  // namespace

Model load(const std::string& path) {
  Model model = read_onnx(path);
  FoldReport report;
  model = fold(std::move(model), &report);
  for (const std::string& kept : report.kept) model.info.notes.push_back(kept);
  return model;
}

Saved save(const Model& model, const std::string& path, int64_t opset) {
  check_extension(path);
  OnnxWriteOptions options;
  if (opset > 0) options.opset = static_cast<int>(opset);
  const OnnxWritten written = write_onnx(materialise(model), path, options);
  return {written.bytes, written.opset};
}

std::map<std::string, std::string> manifest(const Quantized& quantized) {
  std::map<std::string, std::string> m;
  m["bitwright.version"] = kVersion;
  m["bitwright.recipe"] = to_json(to_document(quantized.recipe), -1);
  if (!quantized.data.empty()) m["bitwright.data"] = quantized.data;
  return m;
}

Saved save(const Quantized& quantized, const std::string& path) {
  check_extension(path);
  { const FileWriter probe(path); }  // an unwritable place is named as the user wrote it
  Model model = quantized.model;
  for (const auto& [key, value] : manifest(quantized)) model.info.metadata[key] = value;
  const Temporary unchecked{path + ".unchecked.onnx"};
  const Saved saved = save(model, unchecked.path, quantized.recipe.opset);
  check_written(quantized.model, unchecked.path);
  std::error_code error;
  if (std::filesystem::exists(unchecked.path + ".data", error)) return save(model, path, quantized.recipe.opset);
  std::filesystem::rename(unchecked.path, path, error);  // external data are named in the model: that file is written anew
  if (error) fail(ErrorCode::io, path, ": cannot be written: ", error.message());
  return saved;
}

}  // namespace bitwright
