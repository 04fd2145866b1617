#include "io/document/document.hpp"

namespace bitwright {

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

std::string_view kind_of(const Document& document) {
  constexpr std::string_view kNames[] = {"nothing", "true or false", "a whole number", "a number",
                                         "text",    "a list",        "a table"};
  return kNames[document.value.index()];
}

}  // namespace bitwright
