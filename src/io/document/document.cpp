#include "io/document/document.hpp"

#include "core/error.hpp"

namespace bitwright {

Document::Document() = default;
Document::Document(const Document&) = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(const Document&) = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;
Document::Document(bool v) : value(v) {}
Document::Document(int v) : value(static_cast<int64_t>(v)) {}
Document::Document(int64_t v) : value(v) {}
Document::Document(double v) : value(v) {}
Document::Document(std::string v) : value(std::move(v)) {}
Document::Document(std::string_view v) : value(std::string(v)) {}
Document::Document(const char* v) : value(std::string(v)) {}
Document::Document(DocumentList v) : value(std::move(v)) {}
Document::Document(DocumentTable v) : value(std::move(v)) {}

const Document* Document::find(std::string_view key) const {
  const auto* table = std::get_if<DocumentTable>(&value);
  if (!table) return nullptr;
  for (const auto& [name, member] : *table)
    if (name == key) return &member;
  return nullptr;
}

Document& Document::set(std::string key, Document member) {
  if (!is_table()) value = DocumentTable{};
  auto& table = std::get<DocumentTable>(value);
  for (auto& entry : table)
    if (entry.first == key) {
      entry.second = std::move(member);
      return *this;
    }
  table.emplace_back(std::move(key), std::move(member));
  return *this;
}

std::string place_of(const Document& document, std::string_view name) {
  return document.line > 0 ? str(name, ": line ", document.line) : std::string(name);
}

std::string_view kind_of(const Document& document) {
  constexpr std::string_view kNames[] = {"nothing", "true or false", "a whole number", "a number",
                                         "text",    "a list",        "a table"};
  return kNames[document.value.index()];
}

}  // namespace bitwright
