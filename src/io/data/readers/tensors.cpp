// ONNX test data: folders with input_0.pb, input_1.pb... and output_0.pb..., each a TensorProto; or one such file.
#include <filesystem>

#include "io/data/array_file.hpp"
#include "io/onnx/onnx.hpp"

namespace bitwright {
namespace {

constexpr std::string_view kSetPrefix = "test_data_set_";

std::vector<Tensor> read_all(const std::string& folder, std::string_view kind) {
  std::vector<Tensor> tensors;
  std::error_code ignored;
  for (;;) {
    const std::string path = str(folder, "/", kind, "_", tensors.size(), ".pb");
    if (!std::filesystem::exists(path, ignored)) return tensors;
    tensors.push_back(onnx::read_tensor_file(path));
  }
}

class TensorFolders : public Dataset {
 public:
  explicit TensorFolders(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  int64_t size() const override { return static_cast<int64_t>(folders_.size()); }
  Task task() const override {
    std::error_code ignored;
    return std::filesystem::exists(folders_[0] + "/output_0.pb", ignored) ? Task::compare : Task::none;
  }
  std::string description() const override { return str("ONNX tensors, ", size(), " sets"); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    batch.inputs = gather(records, "input");
    batch.expected = gather(records, "output");
    return batch;
  }

 private:
  std::vector<Tensor> gather(std::span<const int64_t> records, std::string_view kind) const {
    std::vector<std::vector<Tensor>> columns;
    for (size_t i = 0; i < records.size(); ++i) {
      const std::string& folder = folders_.at(static_cast<size_t>(records[i]));
      const auto tensors = read_all(folder, kind);
      if (i == 0) columns.resize(tensors.size());
      if (tensors.size() != columns.size())
        fail(ErrorCode::mismatch, folder, ": holds ", tensors.size(), " files ", kind, "_*.pb, the others hold ",
             columns.size());
      for (size_t k = 0; k < tensors.size(); ++k) columns[k].push_back(tensors[k]);
    }
    std::vector<Tensor> out;
    for (const auto& column : columns) out.push_back(join_rows(column, folders_.at(static_cast<size_t>(records[0]))));
    return out;
  }

  std::vector<std::string> folders_;
};

/// One file: the whole tensor is the input of one run.
class TensorFile : public Dataset {
 public:
  explicit TensorFile(std::string path) : path_(std::move(path)), tensor_(onnx::read_tensor_file(path_)) {}
  int64_t size() const override { return 1; }
  Task task() const override { return Task::none; }
  std::string description() const override { return str("an ONNX tensor ", to_string(tensor_.shape())); }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    batch.inputs = {join_rows(std::vector<Tensor>(records.size(), tensor_), path_)};
    return batch;
  }

 private:
  std::string path_;
  Tensor tensor_;
};

std::vector<std::string> folders_in(const DataPath& at) {
  if (at.holds("input_0.pb")) return {at.path};
  std::vector<std::string> folders;
  for (const auto& name : at.entries)
    if (name.substr(0, kSetPrefix.size()) == kSetPrefix && look_at(at.path + "/" + name).holds("input_0.pb"))
      folders.push_back(at.path + "/" + name);
  return folders;
}

bool recognises(const DataPath& at) { return at.is_folder ? !folders_in(at).empty() : at.extension == ".pb"; }

std::unique_ptr<Dataset> open(const DataPath& at, const DataOptions&) {
  if (!at.is_folder) return std::make_unique<TensorFile>(at.path);
  auto folders = folders_in(at);
  if (folders.empty()) fail(ErrorCode::io, at.path, ": wanted input_0.pb in it, or in ", kSetPrefix, "0");
  return std::make_unique<TensorFolders>(std::move(folders));
}

}  // namespace

const Reader& reader_tensors() {
  static const Reader reader{"tensors", "ONNX tensors: a .pb file, or a folder with input_0.pb, output_0.pb, or folders test_data_set_N of them",
                             recognises, open};
  return reader;
}

}  // namespace bitwright
