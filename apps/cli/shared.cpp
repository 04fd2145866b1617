#include "shared.hpp"

#include <filesystem>

#include "core/mapped_file.hpp"

namespace bitwright::cli {

void DataArgs::declare(Options& options, const std::string& help) {
  options.option("--data", path, help + ": PATH or READER:PATH (cifar10:, idx:, images:, ...)");
  options.option("--select", select, "records: 'first 512', odd, even, 0:1000, 'shuffle 7' and combinations");
  options.option("--data-options", options_file, "a .toml with resize, crop, mean, std, ... (else data.toml beside the data)");
}

std::unique_ptr<Dataset> DataArgs::open(const DataOptions* defaults) const {
  std::unique_ptr<Dataset> data;
  if (!options_file.empty()) {
    const MappedFile file = MappedFile::open(options_file);
    DataOptions given = defaults ? *defaults : DataOptions();
    apply_toml(given, {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, options_file);
    data = open_dataset(path, given);
  } else {
    const bool described = defaults && !to_toml(*defaults).empty();
    data = described ? open_dataset(path, *defaults) : open_dataset(path);
  }
  return select.empty() ? std::move(data) : bitwright::select(std::move(data), select);
}

double file_bytes(const std::string& path) {
  std::error_code error;
  double bytes = static_cast<double>(std::filesystem::file_size(path, error));
  if (error) return 0;
  const auto data = std::filesystem::file_size(path + ".data", error);
  return error ? bytes : bytes + static_cast<double>(data);
}

Target target_named(const std::string& name, const Model& model) {
  if (name == "auto") return model.quantization.empty() ? Target::floating : Target::integer;
  if (name == "float") return Target::floating;
  if (name == "simulated") return Target::simulated;
  if (name == "integer") return Target::integer;
  fail(ErrorCode::usage, "there is no target '", name, "'; there are auto, float, simulated, integer");
}

Loaded load_program(const std::string& path, const std::string& target) {
  Loaded loaded;
  loaded.path = path;
  loaded.model = load(path);
  loaded.program = Program::compile(loaded.model, {.target = target_named(target, loaded.model)});
  loaded.file_bytes = file_bytes(path);
  return loaded;
}

Document to_document(const Metric& m) {
  Document d;
  d.set("task", name_of(m.task)).set("n", m.n);
  if (m.task == Task::classify || m.task == Task::next_token)
    d.set("correct", m.correct).set("accuracy", m.accuracy()).set("low", m.low).set("high", m.high);
  if (m.task == Task::next_token) d.set("bits_per_token", m.bits);
  if (m.task == Task::similarity) d.set("spearman", m.spearman);
  if (m.task == Task::compare) d.set("snr_db", m.snr_db).set("max_error", m.max_error);
  return d.set("seconds", m.seconds);
}

}  // namespace bitwright::cli
