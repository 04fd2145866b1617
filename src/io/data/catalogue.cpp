#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

#include "io/data/reader.hpp"

namespace bitwright {

#define BW_ITEM(stem) const Reader& reader_##stem();
#include "io_data_readers.inc"
#undef BW_ITEM

namespace {

namespace fs = std::filesystem;

const std::vector<const Reader*>& readers() {
  static const std::vector<const Reader*> all = {
#define BW_ITEM(stem) &reader_##stem(),
#include "io_data_readers.inc"
#undef BW_ITEM
  };
  return all;
}

const Reader* reader_named(std::string_view name) {
  for (const Reader* reader : readers())
    if (reader->name == name) return reader;
  return nullptr;
}

std::vector<std::string> reader_names() {
  std::vector<std::string> names;
  for (const Reader* reader : readers()) names.emplace_back(reader->name);
  return names;
}

[[noreturn]] void fail_unknown_reader(const std::string& name) {
  const auto names = reader_names();
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "no reader is called '", name, "'",
       near.empty() ? str("; there are ", join(names, ", ")) : str("; did you mean '", near, "'?"));
}

struct Spec {
  std::string format, path;
};

// A prefix is a reader's name only if no file of the whole name exists.
Spec parse_spec(const std::string& spec) {
  std::error_code ignored;
  const size_t colon = spec.find(':');
  if (colon == std::string::npos || fs::exists(spec, ignored)) return {{}, spec};
  const std::string prefix = spec.substr(0, colon);
  if (prefix.find('/') != std::string::npos) return {{}, spec};
  if (!reader_named(prefix)) fail_unknown_reader(prefix);
  return {prefix, spec.substr(colon + 1)};
}

const Reader& reader_for(const DataPath& path, const std::string& format) {
  if (!format.empty()) {
    const Reader* reader = reader_named(format);
    if (!reader) fail_unknown_reader(format);
    return *reader;
  }
  for (const Reader* reader : readers())
    if (reader->recognises(path)) return *reader;
  fail(ErrorCode::unsupported, path.path, ": no reader knows this data; to force one write ",
       join(reader_names(), ":PATH, "), ":PATH");
}

}  // namespace

std::string lower(std::string_view ascii) {
  std::string out(ascii);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool DataPath::holds(std::string_view entry) const {
  return std::binary_search(entries.begin(), entries.end(), entry, std::less<>());
}

DataPath look_at(const std::string& path) {
  DataPath found;
  const fs::path at(path);
  std::error_code error;
  if (path.find('\0') != std::string::npos || !fs::exists(at, error))
    fail(ErrorCode::io, path, ": no such file or folder");
  found.path = path;
  found.name = at.filename().string();
  found.folder = at.has_parent_path() ? at.parent_path().string() : ".";
  found.extension = lower(at.extension().string());
  found.is_folder = fs::is_directory(at, error);
  if (found.is_folder) {
    fs::directory_iterator entries(at, error);
    if (error) fail(ErrorCode::io, path, ": the folder cannot be read: ", error.message());
    for (const auto& entry : entries) found.entries.push_back(entry.path().filename().string());
    std::sort(found.entries.begin(), found.entries.end());
  } else {
    const MappedFile file = MappedFile::open(path);
    found.bytes = file.bytes.size();
    found.head = text_of(file.bytes.first(std::min<size_t>(512, file.bytes.size())));
  }
  return found;
}

int64_t checked_label(int64_t label, const DataOptions& options, std::string_view where) {
  constexpr int64_t kMost = 1 << 30;
  const int64_t most = options.classes > 0 ? options.classes : kMost;
  if (label < 0 || label >= most)
    fail(ErrorCode::mismatch, where, ": label ", label, " is out of range, wanted 0 to ", most - 1);
  return label + options.label_offset;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

std::string_view name_of(Task task) {
  constexpr std::string_view names[] = {"none", "classify", "similarity", "next_token", "compare"};
  return names[static_cast<size_t>(task)];
}

Batch Dataset::batch(int64_t first, int64_t count) const { return filled_batch(first, count, 0); }

Batch Dataset::filled_batch(int64_t first, int64_t count, int64_t wanted) const {
  BW_CHECK(first >= 0 && first < size() && count > 0);
  std::vector<int64_t> records;
  for (int64_t i = first; i < size() && i - first < count; ++i) records.push_back(i);
  while (std::ssize(records) < wanted) records.push_back(records.back());
  return read(records);
}

std::unique_ptr<Dataset> open_dataset(const std::string& spec, const DataOptions& options) {
  const auto [format, path] = parse_spec(spec);
  const DataPath found = look_at(path);
  const Reader& reader = reader_for(found, format.empty() ? options.format : format);
  auto data = reader.open(found, options);
  if (data->size() == 0) fail(ErrorCode::mismatch, path, ": the data set is empty");
  if (!options.constants.empty()) data = with_constants(std::move(data), options.constants);
  return options.select.empty() ? std::move(data) : select(std::move(data), options.select);
}

std::unique_ptr<Dataset> open_dataset(const std::string& spec) {
  return open_dataset(spec, options_beside(parse_spec(spec).path));
}

std::vector<ReaderInfo> dataset_readers() {
  std::vector<ReaderInfo> infos;
  for (const Reader* reader : readers()) infos.push_back({reader->name, reader->summary});
  return infos;
}

}  // namespace bitwright
