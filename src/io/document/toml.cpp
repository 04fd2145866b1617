#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#include <cmath>
#include <sstream>
#include <toml++/toml.h>

#include "core/error.hpp"
#include "io/document/document.hpp"

namespace bitwright {
namespace {

Document from_toml(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const toml::array* array = node.as_array()) {
    DocumentList list;
    for (const toml::node& item : *array) list.push_back(from_toml(item));
    return list;
  }
  Document result{DocumentTable{}};
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, member] : *table) result.set(std::string(key.str()), from_toml(member));
    return result;
  }
  std::ostringstream text;  // dates and times
  if (const auto* v = node.as_date()) text << v->get();
  if (const auto* v = node.as_time()) text << v->get();
  if (const auto* v = node.as_date_time()) text << v->get();
  return text.str();
}

// One character of UTF-8 at `i`, which moves behind it; negative for bytes that are none.
int32_t next_character(std::string_view text, size_t& i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const unsigned first = byte(i++);
  if (first < 0x80) return static_cast<int32_t>(first);
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : -1;
  if (more < 0 || first > 0xf4) return -1;
  auto value = static_cast<int32_t>(first & (0x3fu >> more));
  for (int k = 0; k < more; ++k, ++i) {
    if ((byte(i) & 0xc0) != 0x80) return -1;
    value = (value << 6) | static_cast<int32_t>(byte(i) & 0x3f);
  }
  return value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? -1 : value;
}

// The same TOML in ASCII, characters outside it as \UXXXXXXXX, which double quotes understand: toml++ 3.3 runs into
// undefined behaviour at some of them that are not in quotes. It also recurses into dotted keys.
std::string ascii_only(std::string_view toml, const std::string& name) {
  std::string out;
  int dots = 0;
  for (size_t i = 0; i < toml.size();) {
    const int32_t c = next_character(toml, i);
    if (c < 0) fail(ErrorCode::malformed, name, ": is not UTF-8");
    dots = c == '\n' ? 0 : dots + (c == '.');
    if (dots > 64) fail(ErrorCode::malformed, name, ": a line has too many dots");
    if (c < 0x80) {
      append(out, static_cast<char>(c));
      continue;
    }
    const size_t begin = toml.rfind('\n', i - 1) + 1, end = toml.find('\n', i);
    if (toml.substr(begin, end - begin).find('\'') != std::string_view::npos)  // there the escape would stay as it is
      fail(ErrorCode::malformed, name, ": write '", toml.substr(begin, end - begin), "' with double quotes");
    out += "\\U";
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(c >> shift) & 15];
  }
  return out;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 127) {
      out += "\\u00";
      out += "0123456789abcdef"[code >> 4];
      out += "0123456789abcdef"[code & 15];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
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
    fail(ErrorCode::malformed, name, ", line ", where.line, ", column ", where.column, ": ", e.description());
  }
}

std::string to_toml(const Document& document) {
  BW_CHECK(document.is_table());
  std::string out;
  write_table(out, "", std::get<DocumentTable>(document.value));
  return out;
}

}  // namespace bitwright
