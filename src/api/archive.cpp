#include "api/archive.hpp"

#include <algorithm>

namespace bitwright {

DocumentReader::DocumentReader(const Document& table, std::string where, std::string path)
    : table_(table), where_(std::move(where)), path_(std::move(path)) {
  if (table.is_table()) return;
  const std::string name = path_.empty() ? "the top" : path_.substr(0, path_.size() - 1);
  fail(ErrorCode::usage, place_of(table, where_), ": ", name, " wants a table, got ", kind_of(table));
}

const Document* DocumentReader::find(std::string_view key) {
  known_.emplace_back(key);
  return table_.find(key);
}

void DocumentReader::refuse(std::string_view key, std::string_view wanted, const Document& got) const {
  fail(ErrorCode::usage, place_of(got, where_), ": ", path_, key, " wants ", wanted, ", got ", kind_of(got));
}

void DocumentReader::field(std::string_view key, bool& value) {
  const Document* found = find(key);
  if (!found) return;
  const bool* v = std::get_if<bool>(&found->value);
  if (!v) refuse(key, "true or false", *found);
  value = *v;
}

void DocumentReader::field(std::string_view key, int64_t& value, int64_t least, int64_t most) {
  const Document* found = find(key);
  if (!found) return;
  const int64_t* v = std::get_if<int64_t>(&found->value);
  if (!v) refuse(key, "a whole number", *found);
  if (*v < least || *v > most)
    fail(ErrorCode::usage, place_of(*found, where_), ": ", path_, key, " is ", *v, ", it must lie between ", least, " and ", most);
  value = *v;
}

void DocumentReader::field(std::string_view key, double& value) {
  const Document* found = find(key);
  if (!found) return;
  if (const double* v = std::get_if<double>(&found->value)) value = *v;
  else if (const int64_t* whole = std::get_if<int64_t>(&found->value)) value = static_cast<double>(*whole);
  else refuse(key, "a number", *found);
}

void DocumentReader::field(std::string_view key, std::string& value) {
  const Document* found = find(key);
  if (!found) return;
  const std::string* v = std::get_if<std::string>(&found->value);
  if (!v) refuse(key, "text", *found);
  value = *v;
}

void DocumentReader::field(std::string_view key, std::vector<std::string>& value) {
  const Document* found = find(key);
  if (!found) return;
  const auto* list = std::get_if<DocumentList>(&found->value);
  if (!list) refuse(key, "a list of texts", *found);
  value.clear();
  for (const Document& item : *list) {
    const std::string* v = std::get_if<std::string>(&item.value);
    if (!v) refuse(key, "a list of texts", item);
    value.push_back(*v);
  }
}

void DocumentReader::field(std::string_view key, const Format*& value) {
  std::string name;
  field(key, name);
  if (name.empty()) return;
  const std::string place = place_of(*table_.find(key), where_);
  try {
    value = &format_named(name);
  } catch (const Error& e) {
    throw e.within(str(place, ": ", path_, key));
  }
}

size_t DocumentReader::word(std::string_view key, const Document& got, std::span<const std::string_view> words) const {
  const std::string* text = std::get_if<std::string>(&got.value);
  if (!text) refuse(key, "text", got);
  const auto at = std::find(words.begin(), words.end(), *text);
  if (at != words.end()) return static_cast<size_t>(at - words.begin());
  const std::vector<std::string> choices(words.begin(), words.end());
  fail(ErrorCode::usage, place_of(got, where_), ": ", path_, key, " is '", *text, "', it must be one of ", join(choices, ", "));
}

void DocumentReader::finish() const {
  for (const auto& [key, member] : std::get<DocumentTable>(table_.value)) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string near = nearest(key, known_);
    fail(ErrorCode::usage, place_of(member, where_), ": unknown key '", member.line > 0 ? "" : path_, key, "'",
         near.empty() ? "; known are " + join(known_, ", ") : "; did you mean '" + near + "'?");
  }
}

}  // namespace bitwright
