// Reading and writing whole models. A written file is read back and run before it gets its name.
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "api/api.hpp"
#include "core/mapped_file.hpp"
#include "core/sha256.hpp"
#include "core/spill.hpp"
#include "graph/state.hpp"
#include "io/onnx/onnx.hpp"
#include "passes/fold.hpp"
#include "passes/pass.hpp"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "0.1.0";
const std::string kStateKey = "bitwright.state";  // in the metadata of a file: none (pairs have keys of their own)

void check_extension(const std::string& path) {
  if (fs::path(path).extension() != ".onnx")
    fail(ErrorCode::unsupported, path, ": only ONNX files can be written; the name must end in .onnx");
}

/// A folder beside the file to be written. The file and its data have their final names there while they are checked; they
/// are moved out when all is well.
class Workshop {
 public:
  explicit Workshop(const std::string& path) : path_(path) {
    { const FileWriter probe(path); }  // an unwritable place is named as the user wrote it
    std::string name = path + ".unchecked.XXXXXX";
    if (!mkdtemp(name.data())) fail(ErrorCode::io, path, ": cannot be written: ", std::strerror(errno));
    folder_ = name;
  }
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string file() const { return (folder_ / path_.filename()).string(); }
  void move_out() const {
    const bool orphan = leaves_data();
    for (const char* suffix : {kData, ""}) {  // the model last: without its data it would be half a file
      std::error_code error;
      if (!fs::exists(file() + suffix, error)) continue;
      fs::rename(file() + suffix, path_.string() + suffix, error);
      if (error) fail(ErrorCode::io, path_.string(), ": cannot be written: ", error.message());
    }
    std::error_code ignored;
    if (orphan) fs::remove(path_.string() + kData, ignored);
  }

 private:
  static constexpr const char* kData = ".data";
  fs::path path_, folder_;

  /// The model that is overwritten is ours and has its tensors in a file beside it, the new one has not.
  bool leaves_data() const {
    std::error_code ignored;
    if (!fs::is_regular_file(path_, ignored) || fs::exists(file() + kData, ignored)) return false;
    const DataFiles old = data_files(path_.string());
    return old.ours && old.locations.count(path_.filename().string() + kData) != 0;
  }
};

bool all_exact(const Program& program) {
  for (const StepInfo& step : program.steps(program.default_shapes()))
    if (!step.exact) return false;
  return true;
}

double snr_db(const Tensor& want, const Tensor& got) {
  const Tensor a = to_f32(want), b = to_f32(got);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < a.values<float>().size(); ++i) {
    const double w = a.values<float>()[i], d = difference(w, b.values<float>()[i]);
    signal += w * w;
    noise += d * d;
  }
  return decibels(signal, noise);
}

/// Equal outputs of the model and of the file read back: the table survived the way through the file format. Where some
/// steps are float, another kernel may round otherwise (a Cast of fp16 weights is one more node), so 40 dB must do.
void check_outputs(const std::vector<Tensor>& want, const std::vector<Tensor>& got, bool exact, const Program& before) {
  for (size_t i = 0; i < want.size(); ++i) {
    const bool comparable = i < got.size() && got[i].shape() == want[i].shape() && got[i].dtype() == want[i].dtype();
    const bool equal = comparable && (identical(got[i], want[i]) || (!exact && is_float(want[i].dtype()) && snr_db(want[i], got[i]) >= 40));
    if (!equal)
      fail(ErrorCode::mismatch, "the file read back gives another output '", before.outputs()[i].name,
           "' than the model; nothing was written");
  }
}

/// Of the second step where the network keeps state: it sees whether the pairs came along.
std::vector<Tensor> outputs_of(const std::shared_ptr<const Program>& program, const std::vector<Tensor>& inputs) {
  Run run(program);
  if (!program->state().empty()) run(inputs);
  std::vector<Tensor> outputs;
  for (const Tensor& t : run(inputs)) outputs.push_back(t.clone());
  return outputs;
}

size_t constant_bytes(const Graph& graph) {
  size_t bytes = 0;
  for (const auto& [id, value] : graph.values())
    if (value.is_constant() && value.dtype != DType::string) bytes += value.constant.bytes();
  return bytes;
}

/// Every constant of the file is what was to be written under its name, page by page: for networks too large to be run.
void compare_constants(const Graph& written, const std::string& path) {
  std::map<std::string, const Tensor*> wanted;
  for (const auto& [id, value] : written.values())
    if (value.is_constant() && value.dtype != DType::string) wanted[value.name] = &value.constant;
  const Model again = read_onnx(path);
  for (const auto& [id, value] : again.graph.values()) {
    const auto at = wanted.find(value.name);
    if (!value.is_constant() || at == wanted.end()) continue;
    if (!identical(value.constant, *at->second)) fail(ErrorCode::mismatch, path, ": tensor '", value.name, "' is not what was written");
    forget_pages(value.constant);
    forget_pages(*at->second);
  }
}

/// Says so in the file where a network keeps no state although its names show some: reading it would find it again.
void mark_stateless(Model& model) {
  Graph probe = model.graph;
  if (probe.state.empty() && find_state(probe) > 0) model.info.metadata[kStateKey] = "none";
}

bool runs_in_float(const Model& model) {
  try {
    const auto program = Program::compile(model, {.target = Target::floating});
    outputs_of(program, random_inputs(*program, 1, 1));
    return true;
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled) throw;
    return false;
  }
}

/// Why running the network once would take too much (a file of 200 bytes can ask for terabytes); empty: it does not.
std::string too_costly(const Program& program) {
  constexpr int64_t kMostMacs = int64_t{1} << 40;
  constexpr double kMostBytes = 1 << 30;
  const auto shapes = program.default_shapes();
  double bytes = static_cast<double>(program.memory(shapes).arena);
  for (size_t i = 0; i < shapes.size(); ++i) bytes += static_cast<double>(elements_of(shapes[i])) * bits_of(program.inputs()[i].dtype) / 8;
  if (bytes > kMostBytes) return str("one run would take ", human_bytes(bytes));
  int64_t macs = 0;
  for (const StepInfo& step : program.steps(shapes))
    if (__builtin_add_overflow(macs, step.macs, &macs) || macs > kMostMacs) return "one run would take more than 10^12 multiply-adds";
  return {};
}

/// Runs the model and the file on the same random inputs. Says why where the network itself, quantized or not, cannot be
/// run; then the file only has to be read.
std::string check_written(const Model& model, const std::string& path) {
  const Model again = load(path);
  std::shared_ptr<const Program> before;
  std::vector<Tensor> inputs, want;
  try {
    before = Program::compile(model, {});
    if (std::string why = too_costly(*before); !why.empty()) return why;
    inputs = random_inputs(*before, 1, 1);
    want = outputs_of(before, inputs);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled || (!model.quantization.empty() && runs_in_float(model))) throw;
    return str("the network could not be run: ", e.what());
  }
  const auto after = Program::compile(again, {});
  check_outputs(want, outputs_of(after, inputs), all_exact(*before) && all_exact(*after), *before);
  return {};
}

}  // namespace

Model load(const std::string& path) {
  Model model = read_onnx(path);
  FoldReport report;
  model = fold(std::move(model), &report);
  for (const std::string& kept : report.kept) model.info.notes.push_back(kept);
  // A table knows Swish as one operator, opsets before 24 as two.
  if (!model.quantization.empty()) model = run_pass("dead_code", run_pass("fuse_silu", std::move(model)));
  const bool stateless = model.info.metadata.erase(kStateKey) > 0;
  if (model.graph.state.empty() && !stateless) find_state(model.graph);
  return model;
}

Saved save(const Model& model, const std::string& path, const SaveOptions& options) {
  check_extension(path);
  const Workshop workshop(path);
  OnnxWriteOptions onnx;
  if (options.opset > 0) onnx.opset = static_cast<int>(options.opset);
  onnx.external_above = options.external_above;
  Saved saved;
  try {
    Model nodes = materialise(model, {.style = options.style});
    mark_stateless(nodes);
    const OnnxWritten written = write_onnx(nodes, workshop.file(), onnx);
    saved = {written.bytes, written.opset, {}, {nodes.info.notes.begin() + std::ssize(model.info.notes), nodes.info.notes.end()}};
    if (constant_bytes(model.graph) > options.run_up_to) {
      compare_constants(nodes.graph, workshop.file());
      saved.not_run = str("its weights are larger than ", options.run_up_to, " bytes; they were read back and compared");
    } else {
      saved.not_run = check_written(model, workshop.file());
    }
  } catch (const Error& e) {  // the user knows the file by another name
    const std::string what = e.what(), own = workshop.file();
    throw what.rfind(own, 0) == 0 ? Error(e.code(), path + what.substr(own.size())) : e;
  }
  workshop.move_out();
  return saved;
}

namespace {

std::string hash_of_file(const std::string& path, const std::atomic<bool>& given_up) {
  constexpr size_t kPiece = size_t{1} << 20;
  const MappedFile file = MappedFile::open(path);
  Sha256 hash;
  for (size_t at = 0; at < file.bytes.size() && !given_up; at += kPiece) {
    const auto piece = file.bytes.subspan(at, std::min(kPiece, file.bytes.size() - at));
    hash.add(piece);
    forget_pages(piece.data(), piece.size());
  }
  return hash.text();
}

}  // namespace

std::string file_sha256(const std::string& path) { return hash_of_file(path, false); }

FileHash::FileHash(std::string path, bool apart)
    : hash_(std::async(apart ? std::launch::async : std::launch::deferred,
                       [this, path = std::move(path)] { return hash_of_file(path, given_up_); })) {}

FileHash::~FileHash() { given_up_ = true; }

std::map<std::string, std::string> manifest(const Quantized& quantized) {
  std::map<std::string, std::string> m;
  m["bitwright.version"] = kVersion;
  m["bitwright.recipe"] = to_json(to_document(quantized.recipe), -1);
  if (!quantized.data.empty()) m["bitwright.data"] = quantized.data;
  for (const auto& [role, hash] : quantized.sources) m["bitwright.sha256." + role] = hash;
  return m;
}

Saved save(const Quantized& quantized, const std::string& path) {
  Model model = quantized.model;
  for (const auto& [key, value] : manifest(quantized)) model.info.metadata[key] = value;
  return save(model, path, {quantized.recipe.opset, quantized.recipe.style});
}

}  // namespace bitwright
