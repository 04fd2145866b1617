#define TOML_ASSERT(condition) static_assert(true)  // its parser asserts what a broken file makes false, then reports it
#define TOML_MAX_NESTED_VALUES 64
#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#include <algorithm>
#include <cmath>
#include <sstream>
#include <toml++/toml.h>

#include "core/error.hpp"
#include "core/utf8.hpp"
#include "io/document/document.hpp"

namespace bitwright {
namespace {

Document from_toml(const toml::node& node);

/// The member with the line of its key, or of the node where it has none.
Document at_line(const toml::node& node, const toml::source_region& source) {
  Document document = from_toml(node);
  document.line = static_cast<int64_t>(source.begin.line);
  return document;
}

Document from_toml(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const toml::array* array = node.as_array()) {
    DocumentList list;
    for (const toml::node& item : *array) list.push_back(at_line(item, item.source()));
    return list;
  }
  Document result{DocumentTable{}};
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, member] : *table) result.set(std::string(key.str()), at_line(member, key.source()));
    return result;
  }
  std::ostringstream text;  // dates and times
  if (const auto* v = node.as_date()) text << v->get();
  if (const auto* v = node.as_time()) text << v->get();
  if (const auto* v = node.as_date_time()) text << v->get();
  return text.str();
}

void append_escape(std::string& out, char32_t c) {
  out += "\\U";
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(c >> shift) & 15];
}

/// The same TOML in ASCII: characters outside it as \UXXXXXXXX, which double quotes understand. toml++ 3.3 runs into
/// undefined behaviour at some of them that are not in quotes, and destroys tables of dotted keys recursively.
std::string ascii_only(std::string_view toml, const std::string& name) {
  std::string out;
  int64_t number = 0;
  if (toml.substr(0, 3) == "\xef\xbb\xbf") toml.remove_prefix(3);
  for (const std::string& line : split(toml, '\n')) {
    const std::string where = str(name, ": line ", ++number);
    if (!is_utf8(line)) fail(ErrorCode::malformed, where, ": is not UTF-8");
    if (std::count(line.begin(), line.end(), '.') > 256) fail(ErrorCode::malformed, where, ": has too many dots");
    const bool has_literal = line.find('\'') != std::string::npos && line.front() != '#';
    for (const char32_t c : decode_utf8(line)) {
      if (c >= 0x80 && has_literal) fail(ErrorCode::malformed, where, ": write text outside ASCII in double quotes");
      if (c >= 0x80) append_escape(out, c);
      else out += static_cast<char>(c);
    }
    out += '\n';
  }
  return out;
}

/// Characters outside ASCII are escaped: ascii_only() refuses them in a line that also has an apostrophe.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char32_t c : decode_utf8(text)) {
    if (c == '"' || c == '\\') append(out, '\\');
    if (c == '\n') append(out, std::string_view("\\n"));
    else if (c == '\t') append(out, std::string_view("\\t"));
    else if (c < 0x20 || c >= 127) append_escape(out, c);
    else append(out, static_cast<char>(c));
  }
  return out + '"';
}

std::string key_text(const std::string& key) {
  for (const char c : key)
    if (!(isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-')) return quoted(key);
  return key.empty() ? "\"\"" : key;
}

std::string inline_value(const Document& document) {
  if (const bool* v = std::get_if<bool>(&document.value)) return *v ? "true" : "false";
  if (const int64_t* v = std::get_if<int64_t>(&document.value)) return str(*v);
  if (const double* v = std::get_if<double>(&document.value)) {
    if (!std::isfinite(*v)) return std::isnan(*v) ? "nan" : *v > 0 ? "inf" : "-inf";
    std::string text = str(*v);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  if (const std::string* v = std::get_if<std::string>(&document.value)) return quoted(*v);
  std::vector<std::string> parts;
  if (const auto* list = std::get_if<DocumentList>(&document.value)) {
    for (const Document& item : *list) parts.push_back(inline_value(item));
    return "[" + join(parts, ", ") + "]";
  }
  if (const auto* table = std::get_if<DocumentTable>(&document.value))
    for (const auto& [key, member] : *table) parts.push_back(key_text(key) + " = " + inline_value(member));
  return "{" + join(parts, ", ") + "}";
}

bool is_table_list(const Document& document) {
  const auto* list = std::get_if<DocumentList>(&document.value);
  if (!list || list->empty()) return false;
  for (const Document& item : *list)
    if (!item.is_table()) return false;
  return true;
}

void write_table(std::string& out, const std::string& prefix, const DocumentTable& table) {
  for (const auto& [key, member] : table)
    if (!member.is_table() && !is_table_list(member) && member.value.index() != 0)
      out += key_text(key) + " = " + inline_value(member) + "\n";
  for (const auto& [key, member] : table) {
    const std::string path = prefix.empty() ? key_text(key) : prefix + "." + key_text(key);
    if (member.is_table()) {
      out += "\n[" + path + "]\n";
      write_table(out, path, std::get<DocumentTable>(member.value));
    } else if (is_table_list(member)) {
      for (const Document& item : std::get<DocumentList>(member.value)) {
        out += "\n[[" + path + "]]\n";
        write_table(out, path, std::get<DocumentTable>(item.value));
      }
    }
  }
}

}  // namespace

Document parse_toml(std::string_view text, const std::string& name) {
  try {
    return from_toml(toml::parse(ascii_only(text, name)));
  } catch (const toml::parse_error& e) {
    const auto where = e.source().begin;
    fail(ErrorCode::malformed, name, ": line ", where.line, ", column ", where.column, ": ", e.description());
  }
}

std::string to_toml(const Document& document) {
  BW_CHECK(document.is_table());
  std::string out;
  write_table(out, "", std::get<DocumentTable>(document.value));
  return out;
}

}  // namespace bitwright
