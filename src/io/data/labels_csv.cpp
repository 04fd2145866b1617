#include "io/data/labels_csv.hpp"

#include <charconv>

namespace bitwright {
namespace {

bool leaves_folder(std::string_view file) {
  if (file.empty() || file[0] == '/' || file.find('\0') != std::string_view::npos) return true;
  for (const auto& part : split(file, '/'))
    if (part == "..") return true;
  return false;
}

std::string_view unquoted(std::string_view field) {
  const bool quoted = field.size() >= 2 && field.front() == '"' && field.back() == '"';
  return quoted ? field.substr(1, field.size() - 2) : field;
}

}  // namespace

std::vector<LabelledFile> parse_labels_csv(std::string_view text, const DataOptions& options,
                                           const std::string& where) {
  std::vector<LabelledFile> files;
  int64_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    const std::string at = str(where, " line ", ++number);
    if (line.empty() || (number == 1 && line == "file,label")) continue;
    const size_t comma = line.rfind(',');
    if (comma == std::string_view::npos) fail(ErrorCode::malformed, at, ": wanted file,label");
    const std::string_view file = unquoted(line.substr(0, comma)), digits = line.substr(comma + 1);
    int64_t label = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), label);
    if (error != std::errc() || end != digits.data() + digits.size())
      fail(ErrorCode::malformed, at, ": the label '", digits, "' is not a whole number");
    if (leaves_folder(file)) fail(ErrorCode::malformed, at, ": '", file, "' is not a file inside the folder");
    files.push_back({std::string(file), checked_label(label, options, at)});
  }
  return files;
}

}  // namespace bitwright
