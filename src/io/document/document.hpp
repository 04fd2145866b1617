// A small tree of plain values, the common ground of TOML and JSON: recipes, data descriptions and `--json` output are
// written once against it. toml++ and nlohmann-json, slow to compile, stay in one .cpp each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bitwright {

struct Document;
using DocumentList = std::vector<Document>;
/// Members in the order in which they were added; keys are unique.
using DocumentTable = std::vector<std::pair<std::string, Document>>;

struct Document {
  std::variant<std::monostate, bool, int64_t, double, std::string, DocumentList, DocumentTable> value;
  int64_t line = 0;  // where its key (in a list: where it) stands in the text that was parsed, from 1; 0: made by a program

  // Out of line: g++ 12 warns of uninitialised members that are not there when it inlines these.
  Document();
  Document(const Document&);
  Document(Document&&) noexcept;
  Document& operator=(const Document&);
  Document& operator=(Document&&) noexcept;
  ~Document();
  Document(bool v);
  Document(int v);
  Document(int64_t v);
  Document(double v);
  Document(std::string v);
  Document(std::string_view v);
  Document(const char* v);
  Document(DocumentList v);
  Document(DocumentTable v);

  bool is_table() const { return std::holds_alternative<DocumentTable>(value); }
  bool is_list() const { return std::holds_alternative<DocumentList>(value); }
  /// The member of a table, nullptr if there is none or this is no table.
  const Document* find(std::string_view key) const;
  /// Adds or replaces a member; turns an empty document into a table. Returns *this, so that calls chain.
  Document& set(std::string key, Document member);
};

/// "true or false", "a whole number", "a number", "text", "a list", "a table", "nothing": for messages.
std::string_view kind_of(const Document& document);

/// "recipe.toml: line 7", the beginning of a message about a member; "recipe.toml" where the line is not known.
std::string place_of(const Document& document, std::string_view name);

/// Throw Error{malformed} with `name`, line and column. Nesting deeper than 64 levels is refused.
Document parse_toml(std::string_view text, const std::string& name);
Document parse_json(std::string_view text, const std::string& name);
/// The top must be a table. Empty members are left out.
std::string to_toml(const Document& document);
/// indent < 0: one line. Numbers that are not finite become null.
std::string to_json(const Document& document, int indent = 2);

}  // namespace bitwright
